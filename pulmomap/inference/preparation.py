"""What both networks need before they start: the part of the scan around the lungs, on their grid, in their units."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray

from pulmomap.case import Ncct
from pulmomap.imaging.lungs import lung_box
from pulmomap.imaging.resampling import to_grid
from pulmomap.inference.bundle_spec import Preprocessing

Floats = NDArray[np.float32]
Box = tuple[slice, slice, slice]
Progress = Callable[[float], None]


def no_progress(done: float) -> None:
    """Tells nobody. A progress hook gets the part that is done, 0 to 1."""


def lung_region(ncct: Ncct, margin: float) -> Box:
    """The box of native voxels around both lungs (heart and great vessels lie between them), ``margin`` in mm."""
    return lung_box(ncct.lungs, margin)


def cut(volume: Volume, box: Box) -> Volume:
    """The part of a volume inside a box, with its own affine; a view."""
    return volume[box]  # type: ignore[index]  # highdicom's annotation forgets tuples of three


def to_network(part: Volume, preprocessing: Preprocessing) -> Volume:
    """Part of a CT in canonical orientation on the network's grid, clipped and scaled to network units, float32."""
    grid = to_grid(part, preprocessing.spacing_mm)
    low, high = preprocessing.clip_hu
    array = np.clip(grid.array, low, high).astype(np.float32, copy=False)
    array /= np.float32(preprocessing.scale_hu)
    return grid.with_array(array)


def padded(array: NDArray[np.float32], axes: Sequence[int], stride: int) -> Floats:
    """The array with its border repeated behind its end, so that the given axes are multiples of ``stride``."""
    pads = [(0, -size % stride if axis in axes else 0) for axis, size in enumerate(array.shape)]
    return np.pad(array, pads, mode="edge")


def at_least(array: NDArray[np.float32], size: Sequence[int]) -> Floats:
    """The array with its border repeated behind its end, so that its last axes have at least the given sides."""
    missing = [max(wanted - have, 0) for wanted, have in zip(size, array.shape[-len(size) :], strict=True)]
    pads = [(0, 0)] * (array.ndim - len(size)) + [(0, one) for one in missing]
    return np.pad(array, pads, mode="edge") if any(missing) else array
