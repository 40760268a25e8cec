"""What a synthetic contrast scan does along the vessels and away from them: holes, inventions, and the noise floor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pulmomap.metrics.continuity import Spacing, Truth, continuity
from pulmomap.metrics.outcome import Outcome, Status
from training.evaluation.scores import Scores


def enhancement_scores(
    image: NDArray[Any], ncct: NDArray[Any], cect: NDArray[Any], truth: Truth, spacing: Spacing
) -> Scores:
    """Scores of an image against its CECT; definitions in :mod:`pulmomap.metrics.continuity`.

    Args:
        image, ncct, cect: HU, of one shape.
        truth: of this case.
        spacing: mm.

    Returns:
        ``plain_mae``, HU, where contrast changes nothing (of the NCCT itself: the noise floor, what the noise of two
        scans alone makes of the error); ``holes_per_metre`` and ``invented_per_metre``, more than 5 mm long, per metre
        of true centre line; ``holes_share`` of that line.
    """
    error = np.abs(image[truth.plain].astype(np.float32) - cect[truth.plain].astype(np.float32))
    found = continuity(image, ncct, truth, spacing)
    floor = Outcome(float(error.mean(dtype=np.float64))) if error.size else Outcome.missing(Status.REF_EMPTY)
    return {
        "plain_mae": floor,
        "holes_per_metre": found.holes_per_metre,
        "holes_share": found.holes_share,
        "invented_per_metre": found.invented_per_metre,
    }
