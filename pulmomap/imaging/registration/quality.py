"""How well two scans lie on each other, and whether a registration may be believed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import edt
import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from skimage.metrics import normalized_mutual_information

from pulmomap.imaging.lungs import lung_box
from pulmomap.imaging.registration.preparation import AIR, RIM, Prepared
from pulmomap.imaging.registration.transform import Transform
from pulmomap.imaging.resampling import resample_image, resample_labels

DEPTH = 6.0  # mm below the lungs' surface: from there inwards only vessels, bronchi and nodules show structure
BINS = 32


@dataclass(frozen=True)
class Alignment:
    """How two scans lie on each other.

    Attributes:
        lung_dice: of the two lung masks.
        correlation: Pearson's, of the HU (clipped as elastix sees them) deeper than ``DEPTH`` in the fixed lungs: of
            their vessels, in effect. NaN where the moving scan has nothing there.
        information: normalised mutual information (Studholme 1999, 1 to 2) in the lungs and ``RIM`` around them.
    """

    lung_dice: float
    correlation: float
    information: float


@dataclass(frozen=True)
class Quality:
    """What was measured of a registration.

    Attributes:
        before: as scanned, places in the patient taken at their word.
        after: with the transform.
        overlap: share of the fixed lungs that goes to a place inside the moving scan's field of view.
        folding: share of the fixed lungs where the transform turns space inside out (Jacobian determinant <= 0).
        shrinkage, growth: 1st and 99th percentile of the Jacobian determinant in the fixed lungs.
        deformation: mm, 95th percentile in the fixed lungs of what the B-spline adds to the affine transform.
        tre: mm, distance of each landmark from its truth; None without landmarks.
    """

    before: Alignment
    after: Alignment
    overlap: float
    folding: float
    shrinkage: float
    growth: float
    deformation: float
    tre: NDArray[np.float64] | None = None


class Doubt(str, Enum):
    """Why a registration is not believed."""

    LITTLE_OVERLAP = "too little of the fixed lungs lies in the moving scan's field of view"
    LUNGS_APART = "the lungs do not lie on each other"
    VESSELS_APART = "the vessels in the lungs do not lie on each other"
    FOLDING = "the transform folds space inside the lungs"
    LARGE_DEFORMATION = "the lungs would have to be deformed more than breathing deforms them"


@dataclass(frozen=True)
class Limits:
    """What is still believed; ``docs/registration.md`` has the measured figures between which each limit lies."""

    overlap: float = 0.95
    lung_dice: float = 0.93
    correlation: float = 0.75
    folding: float = 0.001
    deformation: float = 40.0


DEFAULT_LIMITS = Limits()


def doubts(quality: Quality, limits: Limits = DEFAULT_LIMITS) -> tuple[Doubt, ...]:
    """The reasons not to believe a registration; none where it is plausible. What is not a number is doubted."""
    after = quality.after
    fine = {
        Doubt.LITTLE_OVERLAP: quality.overlap >= limits.overlap,
        Doubt.LUNGS_APART: after.lung_dice >= limits.lung_dice,
        Doubt.VESSELS_APART: after.correlation >= limits.correlation,
        Doubt.FOLDING: quality.folding <= limits.folding,
        Doubt.LARGE_DEFORMATION: quality.deformation <= limits.deformation,
    }
    return tuple(doubt for doubt, passed in fine.items() if not passed)


def assess(
    fixed: Prepared,
    moving: Prepared,
    transform: Transform,
    landmarks: tuple[NDArray[np.floating], NDArray[np.floating]] | None = None,
) -> Quality:
    """Measure a registration on the working grid of the fixed scan.

    Args:
        fixed, moving: the two scans.
        transform: of fixed points to moving ones.
        landmarks: (n, 3) LPS mm in the fixed and in the moving scan.
    """
    box: Any = lung_box(fixed.lungs, RIM)  # highdicom's annotation of an index knows one axis only
    image, lungs = fixed.image[box], fixed.lungs[box]
    inside = lungs.array > 0
    seen = moving.image.with_array(np.ones(moving.image.spatial_shape, np.uint8))
    jacobian = transform.jacobian(image)[inside]
    bend = transform.displacement(image)[inside] - transform.until("affine").displacement(image)[inside]
    region = fixed.region.array[box] > 0
    return Quality(
        before=as_scanned(fixed, moving),
        after=_alignment(
            image, lungs, region, transform.image(moving.image, image, AIR), transform.labels(moving.lungs, image)
        ),
        overlap=float(transform.labels(seen, image).array[inside].mean()),
        folding=float((jacobian <= 0).mean()),
        shrinkage=float(np.percentile(jacobian, 1)),
        growth=float(np.percentile(jacobian, 99)),
        deformation=float(np.percentile(np.linalg.norm(bend, axis=-1), 95)),
        tre=None if landmarks is None else registration_error(transform, *landmarks),
    )


def as_scanned(fixed: Prepared, moving: Prepared) -> Alignment:
    """How two scans lie on each other without being moved, places in the patient taken at their word."""
    box: Any = lung_box(fixed.lungs, RIM)  # highdicom's annotation of an index knows one axis only
    image, lungs = fixed.image[box], fixed.lungs[box]
    others = (
        resample_image(_in_frame(moving.image, image), image),
        resample_labels(_in_frame(moving.lungs, image), image),
    )
    return _alignment(image, lungs, fixed.region.array[box] > 0, *others)


def registration_error(
    transform: Transform, fixed: NDArray[np.floating], moving: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Target registration error of each landmark, mm.

    Raises:
        ValueError: the two lists differ in shape.
    """
    if np.shape(fixed) != np.shape(moving):
        raise ValueError(f"landmarks come in pairs: fixed {np.shape(fixed)}, moving {np.shape(moving)}")
    return np.asarray(np.linalg.norm(transform.points(fixed) - moving, axis=1))


def _alignment(image: Volume, lungs: Volume, region: NDArray[np.bool_], other: Volume, others: Volume) -> Alignment:
    inside = lungs.array > 0
    deep = edt.edt(inside, anisotropy=image.spacing, black_border=False) > DEPTH
    total = inside.sum() + (others.array > 0).sum()
    return Alignment(
        lung_dice=float(2 * (inside & (others.array > 0)).sum() / total),
        correlation=_correlation(image.array[deep], other.array[deep]),
        information=_information(image.array[region], other.array[region]),
    )


def _information(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    return float(normalized_mutual_information(one, other, bins=BINS))  # type: ignore[no-untyped-call]


def _correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    if one.size == 0 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def _in_frame(volume: Volume, reference: Volume) -> Volume:
    """The volume as if it were in the reference's frame: what "before registration" means for two frames."""
    return Volume(volume.array, volume.affine, volume.coordinate_system, reference.frame_of_reference_uid)
