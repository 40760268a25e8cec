"""Arteries and veins of a contrast-enhanced CT told apart by when the contrast reached them.

The bolus passes the pulmonary arteries before the left atrium, and the pulmonary veins are as bright as the left heart
and the aorta. Where the scan was made in between, the two circulations differ by tens of HU. That gives a reference on
real anatomy, for vessels wide enough for their brightness to be that of blood: partial volume would make a thin bright
vein look like an artery.
"""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import edt
import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from skimage.filters import threshold_otsu
from skimage.measure import label as label_regions
from skimage.measure import regionprops

from pulmomap.imaging.between_lungs import between_the_lungs
from pulmomap.imaging.lungs import LungMask

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

BLOOD = 180.0  # HU: above the soft tissue of any phase, below the blood of a usable one
DENSE = 130.0  # HU above the aorta: undiluted contrast and its streaks, of no circulation
# mm from the border at BLOOD to where partial volume has ended. In the lung that border lies some 0.4 mm inside the
# vessel's own, so that the narrowest vessels with such a core have radii of 2 mm.
DEEP = 1.5
WALL = 2.0  # mm taken off round sections before they are told apart
CHAMBER = 2000.0  # mm3: the least that a part of the heart or a large vessel fills
RIM = 5.0  # mm around them that is not trusted either
GREAT = 9.0  # mm: no pulmonary vessel beyond the hila has such a radius; heart, aorta and trunk do
ARTERY, VEIN, UNDECIDED = 1, 2, 3


class NoTiming(ValueError):
    """The scan does not tell arteries from veins; the message says why."""


@dataclass(frozen=True)
class BolusRules:
    """When a scan is usable, and when a voxel is left out.

    Attributes:
        apart: HU between the two circulations, at least.
        clear: the same in spreads of one circulation within itself.
        margin: voxels nearer to the middle than this share of the difference are undecided.
        sigma: mm over which blood is averaged within vessels.
        piece: mm3; smaller pieces of one class are undecided.
    """

    apart: float = 35.0
    clear: float = 2.0
    margin: float = 0.15
    sigma: float = 1.5
    piece: float = 60.0


@dataclass(frozen=True)
class BolusReference:
    """What the timing says.

    Attributes:
        labels: uint8 on the scan's grid: 1 pulmonary artery, 2 pulmonary vein, 3 blood that is undecided, else 0. Whole
            vessels of 2 to :data:`GREAT` mm in and beside the lungs; what is wider, heart and aorta, is undecided.
        blood: float32, HU of undiluted blood near each voxel, extended beyond the vessels.
        pool: bool, blood deeper than :data:`DEEP` from any border.
        artery, vein, aorta: mean HU.
        spread: HU, of one circulation within itself.
    """

    labels: NDArray[np.uint8]
    blood: Floats
    pool: Mask
    artery: float
    vein: float
    aorta: float
    spread: float


def tell_apart(cect: Volume, lungs: LungMask, rules: BolusRules = BolusRules()) -> BolusReference:
    """Label the blood of a contrast-enhanced chest CT by its bolus timing.

    Args:
        cect: HU, (slice, row, column), axial slices towards the head (:func:`pulmomap.imaging.resampling.canonical`).
        lungs: of this volume.
        rules: limits.

    Raises:
        NoTiming: no contrast, no aorta to know the left heart by, or circulations of one brightness.
    """
    hu = np.asarray(cect.array, dtype=np.float32)
    spacing = tuple(float(step) for step in cect.spacing)
    inside, lung = between_the_lungs(lungs.mask, cect), np.asarray(lungs.mask.array) > 0
    bright = inside & (hu > BLOOD)
    found = descending_aorta(hu, bright, spacing)
    aorta = found.blood
    pool = _pool(bright, lung, found, spacing)
    smooth = _averaged(hu, pool, rules.sigma, spacing)
    to_lung = edt.edt(~lung, anisotropy=spacing, parallel=1)
    vessels = pool & (to_lung < 10.0) & ~_great(pool, spacing)
    usable = vessels & (smooth < aorta + DENSE)
    border, dark, light, spread = _two_circulations(smooth[usable], rules)
    vein, artery = (light, dark) if abs(light - aorta) < abs(dark - aorta) else (dark, light)
    if abs(vein - aorta) > 0.6 * abs(artery - vein):
        raise NoTiming(
            f"the descending aorta ({aorta:.0f} HU) is as bright as neither circulation ({dark:.0f}, {light:.0f} HU):"
            " nothing says which is arterial"
        )
    width = rules.margin * abs(artery - vein)
    labels = np.where(pool, UNDECIDED, 0).astype(np.uint8)
    labels[pool & (smooth < border - width)] = ARTERY if artery < vein else VEIN
    labels[pool & (smooth > border + width)] = VEIN if artery < vein else ARTERY
    labels[pool & ~usable] = UNDECIDED
    _fill_vessels(labels, bright, spacing)
    _leave_out_pieces(labels, to_lung < 3.0, rules.piece / float(np.prod(spacing)))
    nearest = _nearest(smooth, pool, spacing)
    return BolusReference(labels, nearest, pool, artery, vein, aorta, spread)


@dataclass(frozen=True)
class Aorta:
    """The descending aorta: its median HU, and its centre (slice, row, column) in each slice."""

    blood: float
    centres: NDArray[np.intp]


def descending_aorta(hu: Floats, bright: Mask, spacing: tuple[float, ...]) -> Aorta:
    """The longest upright run of round bright sections, which in a contrast CT is the descending aorta.

    Raises:
        NoTiming: none is 80 mm long.
    """
    runs: list[list[tuple[int, float, float, float]]] = []
    for index in range(len(hu)):
        # Away from its border, the aorta is apart from what leans on it.
        inner = edt.edt(bright[index], anisotropy=spacing[1:], parallel=1) > WALL
        regions = regionprops(label_regions(inner), hu[index])  # type: ignore[no-untyped-call]
        for one in regions:
            wide = one.equivalent_diameter_area * spacing[1] + 2 * WALL
            if 14.0 < wide < 42.0 and one.solidity > 0.88 and one.eccentricity < 0.8:
                row, column = one.centroid
                _continue(runs, (index, row, column, float(np.median(hu[index][one.slice][one.image]))), spacing)
    longest = max(runs, key=len, default=[])
    if len(longest) * spacing[0] < 80.0:
        raise NoTiming("no descending aorta was found: the scan has no contrast, or does not hold the whole chest")
    centres = np.rint([section[:3] for section in longest]).astype(np.intp)
    return Aorta(float(np.median([section[3] for section in longest])), centres)


def _continue(
    runs: list[list[tuple[int, float, float, float]]],
    section: tuple[int, float, float, float],
    spacing: tuple[float, ...],
) -> None:
    for run in runs:
        index, row, column, _ = run[-1]
        if section[0] == index + 1:
            shift = np.hypot((section[1] - row) * spacing[1], (section[2] - column) * spacing[2])
            if shift < 2.0 + spacing[0]:
                run.append(section)
                return
    runs.append([section])


def _pool(bright: Mask, lung: Mask, aorta: Aorta, spacing: tuple[float, ...]) -> Mask:
    """Blood away from borders: heart, aorta and large vessels, and the vessels inside the lungs; no bone.

    The spine may be as bright and larger, but it does not reach in front of the descending aorta.
    """
    deep = edt.edt(bright, anisotropy=spacing, black_border=False, parallel=1) > DEEP
    pieces = cc3d.connected_components(deep, connectivity=26)
    front = pieces[:, : max(int(np.median(aorta.centres[:, 1]) - 15.0 / spacing[1]), 1)]
    sizes = np.bincount(front.ravel(), minlength=int(pieces.max()) + 1)
    kept = sizes > CHAMBER / float(np.prod(spacing))
    kept[pieces[tuple(aorta.centres.T)]] = True
    kept[0] = False
    return np.asarray(kept[pieces] | (deep & lung))


def _averaged(hu: Floats, within: Mask, sigma: float, spacing: tuple[float, ...]) -> Floats:
    """Gaussian mean over the voxels of a mask, elsewhere not defined."""
    width = [sigma / step for step in spacing]
    weight = gaussian_filter(within.astype(np.float32), width)
    total = gaussian_filter(np.where(within, hu, np.float32(0)), width)
    return np.asarray(total / np.maximum(weight, 1e-3), dtype=np.float32)


def _two_circulations(blood: Floats, rules: BolusRules) -> tuple[float, float, float, float]:
    """The border between two populations, their means, and the spread within one."""
    if len(blood) < 500:
        raise NoTiming(f"only {len(blood)} voxels of vessels lie in or beside the lungs; too few to tell them apart")
    border = float(threshold_otsu(blood))  # type: ignore[no-untyped-call]
    low, high = blood[blood < border], blood[blood >= border]
    dark, light = float(np.median(low)), float(np.median(high))
    # Otsu's halves of one population already lie 1.6 of its spreads apart.
    spread = float(np.sqrt((low.var() + high.var()) / 2))
    if light - dark < rules.apart or light - dark < rules.clear * spread or min(len(low), len(high)) < 0.1 * len(blood):
        raise NoTiming(
            f"arteries and veins are of one brightness ({dark:.0f} and {light:.0f} HU, spread {spread:.0f} HU):"
            " this scan's timing does not tell them apart"
        )
    return border, dark, light, spread


def _leave_out_pieces(labels: NDArray[np.uint8], lung: Mask, least: float) -> None:
    """Small pieces, and those of which less than a quarter lies in the lungs: the heart's rim, branches of the arch."""
    for value in (ARTERY, VEIN):
        pieces = cc3d.connected_components(labels == value, connectivity=26)
        sizes = np.bincount(pieces.ravel())
        inside = np.bincount(pieces[lung], minlength=len(sizes))
        labels[((sizes < least) | (inside < 0.25 * sizes))[pieces] & (labels == value)] = UNDECIDED


def _great(pool: Mask, spacing: tuple[float, ...]) -> Mask:
    """Voxels of a ball of :data:`GREAT` mm that fits into the blood, and :data:`RIM` around it."""
    reach = GREAT - DEEP
    centres = edt.edt(pool, anisotropy=spacing, black_border=False, parallel=1) > reach
    return np.asarray(edt.edt(~centres, anisotropy=spacing, black_border=False, parallel=1) <= reach + RIM)


def _fill_vessels(labels: NDArray[np.uint8], bright: Mask, spacing: tuple[float, ...]) -> None:
    """Give the rim of each vessel the class of its core; where both classes, or undecided blood, are near, none."""
    reach = DEEP + 0.5 * max(spacing)
    near = np.stack([edt.edt(labels != value, anisotropy=spacing, parallel=1) for value in (ARTERY, VEIN, UNDECIDED)])
    rim = bright & (labels == 0) & (near.min(axis=0) <= reach)
    first, second = np.sort(near, axis=0)[:2]
    clear = second > first + 1.0
    chosen = np.argmin(near, axis=0).astype(np.uint8) + 1
    labels[rim] = np.where(clear, chosen, UNDECIDED)[rim]


def _nearest(values: Floats, known: Mask, spacing: tuple[float, ...]) -> Floats:
    """Values of a mask, extended beyond it from the nearest voxel."""
    index = distance_transform_edt(~known, sampling=spacing, return_distances=False, return_indices=True)
    return np.asarray(values[tuple(index)], dtype=np.float32)
