"""A part of a grid in which something is measured, held as a box of voxels and what of the box belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Region:
    """A region of a grid.

    Attributes:
        box: slices with plain starts and stops, inside the grid; may be empty.
        inside: boolean, of the box's shape.
    """

    box: Box
    inside: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, mask: npt.NDArray[Any]) -> Region:
        """The voxels of a mask (slice, row, column) other than 0, in the smallest box that holds them."""
        box = bounding_box(mask)
        return cls(box, mask[box].astype(bool))


def bounding_box(mask: npt.NDArray[Any]) -> Box:
    """The smallest box that holds all voxels of a 3D mask other than 0; empty where there is none."""
    first = _extent(mask, 0)
    second = _extent(mask[first], 1)
    return first, second, _extent(mask[first, second], 2)


def grown(box: Box, margin: float, spacing: Sequence[float], limit: Box) -> Box:
    """The box and all within ``margin`` mm of it along each axis, rounded up to whole voxels, as far as ``limit``."""
    reach = np.ceil(margin / np.asarray(spacing)).astype(int).tolist()
    first, second, third = (
        slice(max(end.start, part.start - more), min(end.stop, part.stop + more))
        for part, end, more in zip(box, limit, reach, strict=True)
    )
    return first, second, third


def whole(array: npt.NDArray[Any]) -> Box:
    """The box of all voxels of a 3D array."""
    first, second, third = (slice(0, size) for size in array.shape)
    return first, second, third


def within(box: Box, outer: Box) -> Box:
    """Where a box lies inside a larger one that holds it, as slices of the larger one."""
    first, second, third = (
        slice(part.start - start.start, part.stop - start.start) for part, start in zip(box, outer, strict=True)
    )
    return first, second, third


def _extent(mask: npt.NDArray[Any], axis: int) -> slice:
    """The range of an axis that holds the voxels other than 0."""
    held = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
    return slice(int(held[0]), int(held[-1]) + 1) if held.size else slice(0, 0)
