"""What `race` measures of one case: every synthesiser and no model, image against contrast scan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pulmomap.metrics.continuity import Spacing, truth_of
from pulmomap.metrics.image import psnr
from pulmomap.metrics.outcome import Outcome, Status
from pulmomap.metrics.similarity import ms_ssim, scales_of
from pulmomap.metrics.vessel import centre_lines
from pulmomap.report.figures import as_webp
from training.evaluation.cases import CaseError
from training.evaluation.enhancement import enhancement_scores
from training.evaluation.rows import CECT, NCCT
from training.evaluation.scores import Scores
from training.evaluation.subject import Subject
from training.trained import Synthesise

WIDTH = (-150.0, 350.0)  # HU from black to white in the pictures

Image3D = NDArray[np.float32]


def measure(subject: Subject, arms: Mapping[str, Synthesise]) -> tuple[dict[str, Any], bytes]:
    """Measure one case.

    Args:
        subject: the case.
        arms: synthesisers by the name of their row.

    Returns:
        What the case's file holds beside its stamp, and a picture of the middle slice (WebP).

    Raises:
        CaseError: nobody drew the case's vessels.
    """
    if subject.labels is None:
        raise CaseError(f"{subject.name} has no map of its vessels; give cases with labels")
    volume = subject.ncct.volume
    ncct, cect = (np.asarray(one.array, np.float32) for one in (volume, subject.cect))
    vessel = np.asarray(subject.labels.array) > 0
    first, second, third = volume.spacing
    spacing: Spacing = (first, second, third)
    truth = truth_of(ncct, cect, vessel, centre_lines(subject.labels).values(), spacing)
    middle, rows, slices = len(ncct) // 2, {}, {}
    for name, synthesise in {NCCT: None, **arms}.items():
        image = ncct if synthesise is None else np.asarray(synthesise(subject.ncct).volume.array, np.float32)
        found = scores(image, cect, vessel) | enhancement_scores(image, ncct, cect, truth, spacing)
        rows[name] = {key: outcome.plain for key, outcome in found.items()}
        slices[name] = image[middle]
    slices[CECT] = cect[middle]
    facts = {
        "slices": len(ncct),
        "spacing_mm": [round(float(step), 4) for step in volume.spacing],
        "ms_ssim_scales": scales_of(ncct.shape),
    }
    return {"facts": facts, "synthesis": rows}, as_webp(strip(list(slices.values())))


def scores(image: Image3D, cect: Image3D, vessel: NDArray[np.bool_]) -> Scores:
    """Scores of an image against its CECT.

    A few of :func:`training.evaluation.scores.image_scores`, which would take most of the time of a comparison.

    Args:
        image, cect: HU, of one shape.
        vessel: mask of PA and PV.

    Returns:
        ``psnr`` (dB, R = 2000 HU) and ``ms_ssim`` over the volume, ``vessel_psnr``; ``vessel_mae`` and ``other_mae``,
        HU, in and outside PA and PV.
    """
    error = np.abs(image - cect)
    return {
        "psnr": psnr(image, cect),
        "ms_ssim": ms_ssim(image, cect).outcome,
        "vessel_psnr": psnr(image, cect, vessel),
        "vessel_mae": _mean(error[vessel]),
        "other_mae": _mean(error[~vessel]),
    }


def strip(slices: list[Image3D]) -> Image.Image:
    """Slices side by side, front at the top."""
    low, high = WIDTH
    shades = [np.clip((one - low) / (high - low) * 255, 0, 255).astype(np.uint8) for one in slices]
    return Image.fromarray(np.concatenate(shades, axis=1)).convert("RGB")


def _mean(values: Image3D) -> Outcome:
    return Outcome(float(values.mean(dtype=np.float64))) if values.size else Outcome.missing(Status.REF_EMPTY)
