"""Two scans of one patient on one grid: as they lie, where they are one acquisition, else registered.

The CECT stays as it is and the NCCT is brought to it, as the Enhance-GAN paper's tests leave open and their authors'
reading suggests: labels are drawn on the CECT and need no interpolation then, and what a synthesiser is to learn stays
as sharp as the scanner made it. The NCCT is interpolated once, onto the store's grid, which it would be anyway.

One grid is no proof of one breath: two scans with one field of view share it too. So how the lungs' vessels lie on each
other decides.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from highdicom import Volume

from pulmomap.imaging.lungs import lung_box, lung_mask
from pulmomap.imaging.registration.errors import RegistrationError
from pulmomap.imaging.registration.preparation import prepare
from pulmomap.imaging.registration.quality import DEFAULT_LIMITS, Alignment, Limits, Quality, as_scanned
from pulmomap.imaging.registration.register import register
from pulmomap.imaging.registration.transform import Transform
from pulmomap.imaging.resampling import resample_labels, to_grid
from training.grids import one_grid
from training.store import StoreError

AIR = -1024.0  # HU, of both scans where one of them has nothing
THREADS = 2  # of elastix: the same number gives the same transform


@dataclass(frozen=True)
class Aligned:
    """A pair on the store's grid.

    Attributes:
        ncct, cect: float32 HU.
        lungs: uint8 mask.
        facts: for ``meta.json``: how the two came to lie on each other, and how well they do. No identifiers.
    """

    ncct: Volume
    cect: Volume
    lungs: Volume
    facts: dict[str, Any]


def align(ncct: Volume, cect: Volume, spacing: float, margin: float, limits: Limits = DEFAULT_LIMITS) -> Aligned:
    """Bring a pair to one grid around the lungs.

    Args:
        ncct, cect: HU, in any frame of reference and on any grid.
        spacing: mm, isotropic, of the store.
        margin: mm around the lungs.
        limits: what is still believed.

    Raises:
        StoreError: a scan shows no two lungs, elastix failed, or its result is not to be believed; with the reasons.
    """
    try:
        if _same_frame(ncct, cect) and one_grid(ncct, cect):
            lie = as_scanned(prepare(cect, "fixed"), prepare(ncct, "moving"))
            if lie.lung_dice >= limits.lung_dice and lie.correlation >= limits.correlation:
                return _cut(ncct, cect, spacing, margin, lie)
        found = register(cect, ncct, limits=limits, threads=THREADS)
    except RegistrationError as error:
        words = str(error).replace("the fixed scan", "the contrast scan").replace("the moving", "the non-contrast")
        raise StoreError(words) from error
    if found.doubts:
        reasons = "; ".join(doubt.value for doubt in found.doubts)
        raise StoreError(f"the registration is doubtful: {reasons} ({_in_words(found.quality)})")
    return _moved(ncct, cect, found.transform, spacing, margin, found.quality)


def _cut(ncct: Volume, cect: Volume, spacing: float, margin: float, lie: Alignment) -> Aligned:
    lungs = lung_mask(ncct).mask
    box: Any = lung_box(lungs, margin)  # highdicom's annotation of an index knows one axis only
    grid = to_grid(ncct[box], (spacing,) * 3)
    mask = resample_labels(lungs[box], grid)
    return Aligned(
        grid, to_grid(cect[box], (spacing,) * 3), mask, {"how": "as scanned", "before": _rounded(asdict(lie))}
    )


def _moved(
    ncct: Volume, cect: Volume, transform: Transform, spacing: float, margin: float, quality: Quality
) -> Aligned:
    lungs = lung_mask(cect).mask
    box: Any = lung_box(lungs, margin)
    grid = to_grid(cect[box], (spacing,) * 3)
    there = ncct.with_array(np.ones(ncct.spatial_shape, np.uint8))
    seen = transform.labels(there, grid).array > 0
    # Beyond the NCCT's field of view nothing may be learned: what only one scan shows would pass for enhancement.
    moved, target = (
        grid.with_array(np.where(seen, one.array, np.float32(AIR))) for one in (transform.image(ncct, grid, AIR), grid)
    )
    mask = resample_labels(lungs[box], grid)
    measured = {key: value for key, value in asdict(quality).items() if key != "tre"}
    outside = {"outside": float(1 - seen.mean())}
    facts = {"how": "registered", "fixed": "cect", **_rounded(measured | outside)}
    return Aligned(moved, target, mask.with_array(mask.array * seen), facts)


def _rounded(facts: dict[str, Any]) -> dict[str, Any]:
    """Values that JSON can hold: what is not a number is null."""
    return {
        key: _rounded(value) if isinstance(value, dict) else round(value, 5) if np.isfinite(value) else None
        for key, value in facts.items()
    }


def _in_words(quality: Quality) -> str:
    after = quality.after
    return (
        f"Dice of the lungs {after.lung_dice:.3f}, correlation in them {after.correlation:.2f}, overlap "
        f"{quality.overlap:.3f}, folding {quality.folding:.4f}, bend {quality.deformation:.0f} mm"
    )


def _same_frame(ncct: Volume, cect: Volume) -> bool:
    return str(ncct.frame_of_reference_uid) == str(cect.frame_of_reference_uid)
