"""Descending aorta and left atrium of a contrast-enhanced chest CT: where the blood of the pulmonary veins goes.

The atrium is found by the aorta, the one vessel that cannot be mistaken: it lies right in front of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import edt
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.feature import peak_local_max

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

NOISE = 1.0  # mm of smoothing, so that noise tears no holes into blood that is hardly brighter than the threshold
NARROWEST, WIDEST = 6.0, 21.0  # mm, radius
RIM = 2.5  # mm from a circle to the ring on which its surroundings are read
OPEN = 0.6  # the least share of that ring that is not bright: a vessel may lean on the aorta, a chamber goes on around
GAP = 10.0  # mm along the body without a section that a run bridges
SHIFT, SWELL = 2.0, 3.0  # mm from one section to the next, sideways (beside its height) and in radius
LEAST = 80.0  # mm: shorter runs may be other vessels

CHAMBER = 9.0  # mm: a ball of this radius fits into the atrium, and not into the veins that enter it
LOWER = 0.7  # of the aorta's length from below; above, the pulmonary trunk lies in front of it
# mm from the aorta's border, and from its middle to each side, within which the atrium and no other chamber lies.
BEFORE, ASIDE = (4.0, 39.0), 30.0
ENOUGH = 300.0  # mm3 of balls' centres

_ANGLES = np.linspace(0.0, 2 * np.pi, 48, endpoint=False)


@dataclass(frozen=True)
class Aorta:
    """The descending aorta: its median HU, its centre (slice, row, column) in each slice, its median radius in mm."""

    blood: float
    centres: NDArray[np.intp]
    radius: float


@dataclass(frozen=True)
class _Section:
    index: int
    row: int
    column: int
    radius: float


def smoothed(hu: Floats, spacing: tuple[float, ...]) -> Floats:
    """The scan (HU) with the noise taken out of its blood, as both searches read it."""
    return np.asarray(gaussian_filter(hu, [NOISE / step for step in spacing]))


def descending_aorta(smooth: Floats, bright: Mask, spacing: tuple[float, ...], front: float) -> Aorta | None:
    """The longest upright run of bright circles in the back half of the chest.

    The circles are the largest that fit into the blood of a slice, so that vessels which lean on the aorta (the left
    inferior vein does) do not hide it.

    Args:
        smooth: from :func:`smoothed`, (slice, row, column), axial slices, rows towards the back.
        bright: bool, where blood may be.
        spacing: mm.
        front: row; what lies in front of it, as the superior vena cava, is another vessel.

    Returns:
        None when no run is :data:`LEAST` mm long.
    """
    runs: list[list[_Section]] = []
    for index in range(len(bright)):
        for section in _sections(index, bright[index], spacing):
            if section.row > front:
                _continue(runs, section, spacing)
    longest = max(runs, key=len, default=[])
    if len(longest) * spacing[0] < LEAST:
        return None
    centres = np.array([(section.index, section.row, section.column) for section in longest], dtype=np.intp)
    radius = float(np.median([section.radius for section in longest]))
    return Aorta(float(np.median(smooth[tuple(centres.T)])), centres, radius)


def left_atrium(smooth: Floats, bright: Mask, spacing: tuple[float, ...], aorta: Aorta) -> float | None:
    """Median HU of the blood of the left atrium, the chamber in front of the descending aorta.

    Args:
        smooth, bright, spacing: as of :func:`descending_aorta`.
        aorta: found there.

    Returns:
        None when no chamber lies there.
    """
    lowest = aorta.centres[: max(int(LOWER * len(aorta.centres)), 1)]
    before = np.zeros(bright.shape, dtype=bool)
    near, far = (round((aorta.radius + step) / spacing[1]) for step in BEFORE)
    side = round(ASIDE / spacing[2])
    for index, row, column in lowest:
        before[index, max(row - far, 0) : max(row - near, 0), max(column - side, 0) : column + side] = True
    deep = edt.edt(bright, anisotropy=spacing, black_border=False, parallel=1) > CHAMBER
    chamber = smooth[before & deep]
    return float(np.median(chamber)) if len(chamber) * float(np.prod(spacing)) > ENOUGH else None


def _sections(index: int, bright: Mask, spacing: tuple[float, ...]) -> list[_Section]:
    """The circles of an aorta's size in one slice, which have mostly something else around them."""
    depth = edt.edt(bright, anisotropy=spacing[1:], black_border=True, parallel=1)
    apart = max(round(NARROWEST / spacing[1]), 1)
    peaks = peak_local_max(depth, min_distance=apart, threshold_abs=NARROWEST, exclude_border=False)  # type: ignore[no-untyped-call]
    found = (_Section(index, int(row), int(column), float(depth[row, column])) for row, column in peaks)
    return [one for one in found if one.radius < WIDEST and _open(bright, one, spacing) >= OPEN]


def _open(bright: Mask, section: _Section, spacing: tuple[float, ...]) -> float:
    """The share of the ring around a circle that is not bright; beyond the slice nothing is."""
    reach = section.radius + RIM
    rows = np.rint(section.row + reach * np.sin(_ANGLES) / spacing[1]).astype(np.intp)
    columns = np.rint(section.column + reach * np.cos(_ANGLES) / spacing[2]).astype(np.intp)
    seen = (rows >= 0) & (rows < bright.shape[0]) & (columns >= 0) & (columns < bright.shape[1])
    return 1.0 - float(bright[rows[seen], columns[seen]].sum()) / len(_ANGLES)


def _continue(runs: list[list[_Section]], section: _Section, spacing: tuple[float, ...]) -> None:
    """Append a section to the run that ends nearest to it, or begin one."""

    def shift(last: _Section) -> float:
        aside = np.hypot((section.row - last.row) * spacing[1], (section.column - last.column) * spacing[2])
        return float(aside)

    def follows(last: _Section) -> bool:
        height = (section.index - last.index) * spacing[0]
        return (
            0.0 < height <= max(GAP, spacing[0])
            and shift(last) < SHIFT + spacing[0]
            and abs(section.radius - last.radius) < SWELL
        )

    near = [run for run in runs if follows(run[-1])]
    if near:
        min(near, key=lambda run: shift(run[-1])).append(section)
    else:
        runs.append([section])
