"""What the pixels show, whatever the tags say: two whole lungs, and blood without contrast medium between them."""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import edt
import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.ndimage import gaussian_filter

from pulmomap.imaging.lungs import Lung, LungMask
from pulmomap.imaging.resampling import to_grid
from pulmomap.refusals import Refusal, Refused


class ContentRules(BaseModel):
    """What still counts as a whole, non-contrast chest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    smallest_lung_ml: float = Field(
        300.0,
        gt=0,
        description="smallest volume of one lung, ml; an adult's lung holds 1000 to 4000, collapse halves it",
    )
    largest_lung_ml: float = Field(
        7000.0, gt=0, description="largest volume of one lung, ml; emphysema seldom exceeds 5000"
    )
    cut_cm2: float = Field(
        15.0, gt=0, description="largest cross-section of one lung in the first or last slice, cm2; an apex that lacks "
        "its top 8 mm shows 15"
    )  # fmt: skip
    smallest_mediastinum_ml: float = Field(
        100.0,
        gt=0,
        description="least soft tissue to be found between the lungs, ml; of a heart and its vessels 300 to "
        "1000 lie there",
    )
    blood_pool_hu: float = Field(
        80.0, description="blood pool above which a scan is enhanced, HU; blood without contrast has 30 to 60 (a high "
        "haematocrit 70), five minutes after an injection it still has 90 and more"
    )  # fmt: skip
    enhanced_hu: float = Field(
        100.0, description="HU from which tissue between the lungs counts as enhanced; without contrast medium only "
        "calcium, bone and metal have so much"
    )  # fmt: skip
    enhanced_ml: float = Field(
        30.0, gt=0, description="connected enhanced tissue above which a scan is enhanced, ml; the aortic arch alone "
        "holds 40, calcified valves and lymph nodes less than 10"
    )  # fmt: skip


@dataclass(frozen=True)
class ContentReport:
    """What was measured.

    Attributes:
        right, left: the lungs.
        mediastinum: ml of soft tissue between the lungs, in front of the spine, on which the blood pool was measured.
        blood_pool: HU that a quarter of that tissue exceeds, after smoothing (FWHM about 5 mm).
        enhanced: ml of the largest connected part of it above ``ContentRules.enhanced_hu``.
    """

    right: Lung
    left: Lung
    mediastinum: float
    blood_pool: float
    enhanced: float


DEFAULT_RULES = ContentRules()

SPINE = 60.0  # mm in front of the lungs' hindmost point lies the front of the vertebral bodies
STERNUM = 10.0  # mm behind the lungs' foremost point everything bony ends
FROM_LUNG = 5.0  # mm from the lungs' surface, clear of partial volume and of vessels that the mask cut off
FULL_SECTION = 0.5  # of a lung's largest section: slices below that show the liver or the neck between the lungs
SMOOTHING = 2.0  # mm, sigma, on top of the working grid's: noise of a low-dose scan falls below 10 HU
METAL = 600.0  # HU at which voxels are clipped before smoothing, lest a wire or a valve spread over its surroundings
FAT = -20.0  # HU; fat and lung lie below


def check_content(volume: Volume, lungs: LungMask, rules: ContentRules = DEFAULT_RULES) -> ContentReport:
    """Measure the lungs and the blood pool, and refuse what is no whole non-contrast chest.

    Args:
        volume: HU, any axis order and orientation.
        lungs: those of the same volume.
        rules: the limits.

    Raises:
        Refused: NOT_CHEST, LUNGS_CUT or CONTRAST_PRESENT with the measured facts.
    """
    right, left = _two_lungs(lungs, rules)
    _check_ends(right, left, rules)
    report = _measure_blood(volume, lungs, right, left, rules)
    if report.mediastinum < rules.smallest_mediastinum_ml:
        raise Refused(
            Refusal.NOT_CHEST,
            f"only {report.mediastinum:.0f} ml of soft tissue lie between the two air spaces; a heart and its vessels "
            f"hold more than {rules.smallest_mediastinum_ml:.0f}",
        )
    if report.blood_pool > rules.blood_pool_hu or report.enhanced > rules.enhanced_ml:
        raise Refused(
            Refusal.CONTRAST_PRESENT,
            f"blood pool at {report.blood_pool:.0f} HU and {report.enhanced:.0f} ml of tissue above "
            f"{rules.enhanced_hu:.0f} HU between the lungs; blood without contrast medium has 30-60 HU",
        )
    return report


def _two_lungs(lungs: LungMask, rules: ContentRules) -> tuple[Lung, Lung]:
    if lungs.right is None or lungs.left is None:
        raise Refused(Refusal.NOT_CHEST, "no two lungs lie side by side in the volume; send a scan of the whole chest")
    for name, lung in (("right", lungs.right), ("left", lungs.left)):
        if not rules.smallest_lung_ml <= lung.volume <= rules.largest_lung_ml:
            raise Refused(
                Refusal.NOT_CHEST,
                f"the {name} lung would hold {lung.volume:.0f} ml; a lung holds {rules.smallest_lung_ml:.0f} to "
                f"{rules.largest_lung_ml:.0f}",
            )
    return lungs.right, lungs.left


def _check_ends(right: Lung, left: Lung, rules: ContentRules) -> None:
    cuts = [
        f"{area:.0f} cm2 of the {name} lung in the {end} slice"
        for name, lung in (("right", right), ("left", left))
        for end, area in (("lowest", lung.lowest_slice), ("highest", lung.highest_slice))
        if area > rules.cut_cm2
    ]
    if cuts:
        raise Refused(Refusal.LUNGS_CUT, f"{', '.join(cuts)}; at most {rules.cut_cm2:.0f} cm2 may lie there")


def _measure_blood(volume: Volume, lungs: LungMask, right: Lung, left: Lung, rules: ContentRules) -> ContentReport:
    spacing = lungs.sides.spacing
    coarse = to_grid(volume, spacing, antialias=True)
    smooth = gaussian_filter(np.minimum(coarse.array, METAL), SMOOTHING / np.array(spacing))
    tissue = _between(lungs.sides.array, spacing) & (smooth > FAT)
    voxel_ml = lungs.sides.voxel_volume / 1000
    parts = cc3d.connected_components(tissue & (smooth > rules.enhanced_hu), connectivity=6)
    return ContentReport(
        right,
        left,
        mediastinum=float(tissue.sum()) * voxel_ml,
        blood_pool=float(np.percentile(smooth[tissue], 75)) if tissue.any() else float("nan"),
        enhanced=float(np.bincount(parts.ravel())[1:].max(initial=0)) * voxel_ml,
    )


def _between(sides: NDArray[np.uint8], spacing: tuple[float, float, float]) -> NDArray[np.bool_]:
    """Where the heart and the great vessels are: columns from the right lung to the left, clear of spine and sternum.

    Args:
        sides: canonical (slices to the head, rows to the back, columns to the left): 1 right lung, 2 left lung.
        spacing: mm.
    """
    right, left = sides == 1, sides == 2
    past_right = ~np.logical_or.accumulate(right[:, :, ::-1], axis=2)[:, :, ::-1]
    before_left = ~np.logical_or.accumulate(left, axis=2)
    rows = np.asarray(right.any(axis=2) & left.any(axis=2))
    areas = [lung.sum(axis=(1, 2)) for lung in (right, left)]
    full = np.asarray(np.all([area >= FULL_SECTION * area.max() for area in areas], axis=0))
    chest = np.asarray((sides > 0).any(axis=2))
    foremost, hindmost = chest.argmax(axis=1), chest.shape[1] - 1 - chest[:, ::-1].argmax(axis=1)
    row = np.arange(chest.shape[1])
    rows &= (row > foremost[:, None] + STERNUM / spacing[1]) & (row < hindmost[:, None] - SPINE / spacing[1])
    region = past_right & before_left & (rows & full[:, None])[:, :, None]
    clear = edt.edt(sides == 0, anisotropy=spacing, parallel=2) > FROM_LUNG
    return np.asarray(region & clear)
