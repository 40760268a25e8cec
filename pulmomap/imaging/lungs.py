"""The lung mask of a chest CT, and what it says about the scan's coverage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from highdicom import Volume

from pulmomap.imaging.lung_finding import find_lungs
from pulmomap.imaging.overlap import overlap
from pulmomap.imaging.resampling import canonical, resample_image, to_grid

WORKING_SPACING = (2.5, 2.5, 2.5)  # mm: lungs are found here; finer grids move their surface by less than half of it


@dataclass(frozen=True)
class Lung:
    """What is known about one lung.

    Attributes:
        volume: ml, vessels included.
        lowest_slice, highest_slice: cm2 of the lung in the scan's end slices towards the feet and the head; more than
            a little means that the scan cuts the lung.
        below, above: mm of scan between the lung and those ends.
    """

    volume: float
    lowest_slice: float
    highest_slice: float
    below: float
    above: float


@dataclass(frozen=True)
class LungMask:
    """Both lungs.

    Attributes:
        mask: uint8 on the volume's own grid: 1 inside either lung (vessels and nodules filled; trachea and main bronchi
            left out), else 0. All 0 where two lungs were not found.
        sides: uint8 on the canonical working grid (2.5 mm): 1 right lung, 2 left lung, else 0.
        right, left: of the patient, by LPS x, whatever the order of the columns. None where two lungs were not found.
    """

    mask: Volume
    sides: Volume
    right: Lung | None
    left: Lung | None


def lung_mask(volume: Volume) -> LungMask:
    """Find the lungs by their HU, on a coarse grid, and bring them back to the volume's own grid.

    Thresholds and rules stand in :mod:`pulmomap.imaging.lung_finding`. Dense parts that reach the lung's surface over
    more than 15 mm (effusion, collapse, a hilar mass) are not lung here.

    Args:
        volume: HU, any axis order and orientation.

    Returns:
        The mask and its facts. Whether they are those of a chest is for :func:`pulmomap.imaging.content.check_content`.
    """
    coarse = to_grid(volume, WORKING_SPACING, antialias=True)
    right, left = find_lungs(coarse.array, coarse.spacing)
    sides = coarse.with_array(right + np.uint8(2) * left)
    mask = volume.with_array(np.zeros(volume.spatial_shape, np.uint8))
    if not sides.array.any():
        return LungMask(mask, sides, None, None)
    around: Any = lung_box(sides, 2 * WORKING_SPACING[0])  # highdicom's annotation of an index knows one axis only
    found = sides[around]
    within: Any = overlap(found, volume)
    if within is not None:
        both = resample_image(found.with_array((found.array > 0).astype(np.float32)), volume[within], fill=0.0)
        mask.array[within] = both.array >= 0.5
    return LungMask(mask, sides, _facts(sides, 1, volume), _facts(sides, 2, volume))


def lung_box(mask: Volume, margin_mm: float) -> tuple[slice, slice, slice]:
    """The smallest box around a mask with a margin, within the volume.

    Args:
        mask: 0 outside.
        margin_mm: mm on every side.

    Returns:
        Slices of the mask's three index axes.

    Raises:
        ValueError: the mask is empty.
    """
    box = []
    for axis, (size, step) in enumerate(zip(mask.spatial_shape, mask.spacing, strict=True)):
        where = np.flatnonzero(mask.array.any(axis=tuple(other for other in range(3) if other != axis)))
        if len(where) == 0:
            raise ValueError("the lung mask is empty: there is nothing to put a box around")
        reach = int(np.ceil(round(margin_mm / step, 6)))
        box.append(slice(max(int(where[0]) - reach, 0), min(int(where[-1]) + reach + 1, size)))
    return box[0], box[1], box[2]


def _facts(sides: Volume, side: int, volume: Volume) -> Lung:
    lung = sides.with_array((sides.array == side).astype(np.float32))
    slices = np.flatnonzero(lung.array.any(axis=(1, 2)))
    upright = canonical(volume)
    pixel = upright.spacing[1] * upright.spacing[2] / 100
    ends = [
        float((resample_image(lung, upright[end], fill=0.0).array >= 0.5).sum()) * pixel
        for end in (slice(0, 1), slice(-1, None))
    ]
    return Lung(
        volume=float(lung.array.sum(dtype=np.float64)) * lung.voxel_volume / 1000,
        lowest_slice=ends[0],
        highest_slice=ends[1],
        below=float(slices[0]) * lung.spacing[0],
        above=float(len(lung.array) - 1 - slices[-1]) * lung.spacing[0],
    )
