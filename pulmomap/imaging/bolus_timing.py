"""Arteries and veins of a contrast-enhanced CT told apart by when the contrast reached them.

The bolus passes the pulmonary arteries before the left atrium, and the pulmonary veins are as bright as that. Where the
scan was made in between, the two circulations differ by tens of HU. That gives a reference on real anatomy, for vessels
wide enough for their brightness to be that of blood: partial volume would make a thin bright vein look like an artery.
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

from pulmomap.imaging.between_lungs import between_the_lungs
from pulmomap.imaging.left_heart import Aorta, descending_aorta, left_atrium, smoothed
from pulmomap.imaging.lungs import LungMask

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

BLOOD = 180.0  # HU: above the soft tissue of any phase, below the blood of a usable one
DENSE = 130.0  # HU above the aorta: undiluted contrast and its streaks, of no circulation
# mm from the border at BLOOD to where partial volume has ended. In the lung that border lies some 0.4 mm inside the
# vessel's own, so that the narrowest vessels with such a core have radii of 2 mm.
DEEP = 1.5
# HU above any blood that has passed the heart, mm3 of it that throw streaks, and mm that these reach in a
# slice. On the scan of docs/results/real-anatomy.md 5 to 52 % of the aorta and of the pulmonary trunk up to 16 mm from
# the superior vena cava have the brightness of the other circulation, from there to 30 mm 2 to 4 % at most.
UNDILUTED, CAST, STREAKED = 900.0, 500.0, 16.0
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

    apart: float = 45.0
    clear: float = 2.0
    margin: float = 0.15
    sigma: float = 2.5
    piece: float = 60.0


@dataclass(frozen=True)
class BolusReference:
    """What the timing says.

    Attributes:
        labels: uint8 on the scan's grid: 1 pulmonary artery, 2 pulmonary vein, 3 blood that is undecided, else 0. Whole
            vessels of 2 to :data:`GREAT` mm in and beside the lungs; what is wider, heart and aorta, is undecided.
        blood: float32, HU of undiluted blood near each voxel, extended beyond the vessels.
        pool: bool, blood deeper than :data:`DEEP` from any border.
        artery, vein, atrium, aorta: HU of the two circulations (median), and of the left atrium and descending aorta.
        spread: HU, of one circulation within itself.
    """

    labels: NDArray[np.uint8]
    blood: Floats
    pool: Mask
    artery: float
    vein: float
    atrium: float
    aorta: float
    spread: float


def tell_apart(cect: Volume, lungs: LungMask, rules: BolusRules = BolusRules()) -> BolusReference:
    """Label the blood of a contrast-enhanced chest CT by its bolus timing.

    Args:
        cect: HU, (slice, row, column), axial slices towards the head (:func:`pulmomap.imaging.resampling.canonical`).
        lungs: of this volume.
        rules: limits.

    Raises:
        NoTiming: no contrast, no aorta and left atrium to know the veins by, or circulations of one brightness.
    """
    hu = np.asarray(cect.array, dtype=np.float32)
    spacing = tuple(float(step) for step in cect.spacing)
    inside, lung = between_the_lungs(lungs.mask, cect), np.asarray(lungs.mask.array) > 0
    bright = inside & (hu > BLOOD)
    calm = smoothed(hu, spacing)
    blood = inside & (calm > BLOOD)
    found = descending_aorta(calm, blood, spacing, front=float(np.nonzero(lung)[1].mean()))
    if found is None:
        raise NoTiming("no descending aorta was found: the scan has no contrast, or does not hold the whole chest")
    atrium = left_atrium(calm, blood, spacing, found)
    if atrium is None:
        raise NoTiming("no left atrium was found in front of the descending aorta: nothing says which are the veins")
    around = _around(found, hu.shape, spacing)
    pool = _pool(bright, lung, found, around, spacing)
    smooth = averaged(hu, pool, rules.sigma, spacing)
    to_lung = edt.edt(~lung, anisotropy=spacing, parallel=1)
    vessels = pool & (to_lung < 10.0) & ~_great(pool, spacing) & ~around
    vessels[found.centres[:, 0].max() + 1 :] = False  # above the arch, its branches lean on the lungs
    usable = vessels & (smooth < found.blood + DENSE) & ~_streaked(inside & (hu > UNDILUTED), spacing)
    dark, light, spread = _two_circulations(smooth[usable], rules)
    vein, artery = (light, dark) if abs(light - atrium) < abs(dark - atrium) else (dark, light)
    if abs(vein - atrium) > 0.6 * abs(artery - vein):
        raise NoTiming(
            f"the left atrium ({atrium:.0f} HU) is as bright as neither circulation ({dark:.0f}, {light:.0f} HU):"
            " nothing says which are the veins"
        )
    # Half-way: Otsu's own border may lie close to one of them.
    border, width = (artery + vein) / 2, rules.margin * abs(artery - vein)
    labels = np.where(pool, UNDECIDED, 0).astype(np.uint8)
    labels[pool & (smooth < border - width)] = ARTERY if artery < vein else VEIN
    labels[pool & (smooth > border + width)] = VEIN if artery < vein else ARTERY
    labels[pool & ~usable] = UNDECIDED
    _fill_vessels(labels, bright, spacing)
    _leave_out_pieces(labels, to_lung < 3.0, rules.piece / float(np.prod(spacing)))
    nearest = _nearest(smooth, pool, spacing)
    return BolusReference(labels, nearest, pool, artery, vein, atrium, found.blood, spread)


def _pool(bright: Mask, lung: Mask, aorta: Aorta, around: Mask, spacing: tuple[float, ...]) -> Mask:
    """Blood away from borders: heart, aorta and large vessels, and the vessels inside the lungs; no bone.

    The spine may be as bright and larger, and touch the aorta; outside the lungs, nothing beside or behind is taken.
    """
    deep = edt.edt(bright, anisotropy=spacing, black_border=False, parallel=1) > DEEP
    front = deep.copy()
    front[:, max(int(np.median(aorta.centres[:, 1]) - 15.0 / spacing[1]), 1) :] = False
    return np.asarray(_large(front, CHAMBER, spacing) | (deep & (lung | around)))


def _large(mask: Mask, least: float, spacing: tuple[float, ...]) -> Mask:
    """The pieces of a mask that fill more than ``least`` mm3."""
    voxels = int(least / float(np.prod(spacing))) + 1
    return np.asarray(cc3d.dust(mask.astype(np.uint8), threshold=voxels, connectivity=26) > 0)


def _streaked(undiluted: Mask, spacing: tuple[float, ...]) -> Mask:
    """Voxels of a slice near undiluted contrast, whose streaks darken one side of a vessel and brighten the other."""
    casting = _large(undiluted, CAST, spacing)
    streaked = np.zeros(undiluted.shape, dtype=bool)
    for number in np.flatnonzero(casting.any(axis=(1, 2))):
        streaked[number] = edt.edt(~casting[number], anisotropy=spacing[1:], parallel=1) <= STREAKED
    return streaked


def averaged(hu: Floats, within: Mask, sigma: float, spacing: tuple[float, ...]) -> Floats:
    """Gaussian mean over the voxels of a mask, elsewhere not defined."""
    width = [sigma / step for step in spacing]
    weight = gaussian_filter(within.astype(np.float32), width)
    total = gaussian_filter(np.where(within, hu, np.float32(0)), width)
    return np.asarray(total / np.maximum(weight, 1e-3), dtype=np.float32)


def _two_circulations(blood: Floats, rules: BolusRules) -> tuple[float, float, float]:
    """The medians of two populations, the darker first, and the spread within one."""
    if len(blood) < 500:
        raise NoTiming(f"only {len(blood)} voxels of vessels lie in or beside the lungs; too few to tell them apart")
    parted = float(threshold_otsu(blood))  # type: ignore[no-untyped-call]
    low, high = blood[blood < parted], blood[blood >= parted]
    dark, light = float(np.median(low)), float(np.median(high))
    # Otsu's halves of one population already lie 1.6 of its spreads apart.
    spread = float(np.sqrt((low.var() + high.var()) / 2))
    if light - dark < rules.apart or light - dark < rules.clear * spread or min(len(low), len(high)) < 0.1 * len(blood):
        raise NoTiming(
            f"arteries and veins are of one brightness ({dark:.0f} and {light:.0f} HU, spread {spread:.0f} HU):"
            " this scan's timing does not tell them apart"
        )
    return dark, light, spread


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


def _around(aorta: Aorta, shape: tuple[int, ...], spacing: tuple[float, ...]) -> Mask:
    """The descending aorta, which may be too narrow for :func:`_great`, and :data:`RIM` around it."""
    line = np.ones(shape, dtype=bool)
    line[tuple(aorta.centres.T)] = False
    return np.asarray(edt.edt(line, anisotropy=spacing, black_border=False, parallel=1) <= aorta.radius + RIM)


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
