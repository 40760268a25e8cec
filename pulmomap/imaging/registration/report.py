"""A registration as files: the transform, and what was measured of it, readable by people and programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pulmomap.imaging.registration.quality import Alignment, registration_error
from pulmomap.imaging.registration.register import Registration
from pulmomap.imaging.registration.stages import STAGES

REPORT = "registration.json"
Landmarks = tuple[NDArray[np.floating], NDArray[np.floating]]


def save(registration: Registration, folder: Path, landmarks: Landmarks | None = None) -> dict[str, Any]:
    """Write ``transform.h5``, ``frames.json`` and ``registration.json``; returns what the last one holds.

    A registration that is doubted is written too, with its doubts: somebody may want to look at it.
    """
    registration.transform.save(folder)
    report = described(registration, landmarks)
    (folder / REPORT).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def described(registration: Registration, landmarks: Landmarks | None = None) -> dict[str, Any]:
    """The quality report, as JSON can hold it.

    Args:
        registration: to report.
        landmarks: (n, 3) LPS mm in the fixed and in the moving scan; gives ``tre_mm``: the median error as scanned and
            after each stage, and the 95th percentile after the last.
    """
    quality = registration.quality
    return {
        "plausible": registration.plausible,
        "doubts": [doubt.value for doubt in registration.doubts],
        "before": _alignment(quality.before),
        "after": _alignment(quality.after),
        "overlap": round(quality.overlap, 4),
        "folding": round(quality.folding, 6),
        "jacobian_percentiles_1_99": [round(quality.shrinkage, 3), round(quality.growth, 3)],
        "deformation_mm": round(quality.deformation, 2),
        "tre_mm": None if landmarks is None else _errors(registration, *landmarks),
        "seconds": round(registration.seconds, 1),
    }


def _alignment(alignment: Alignment) -> dict[str, float | None]:
    return {name: round(value, 4) if np.isfinite(value) else None for name, value in asdict(alignment).items()}


def _errors(registration: Registration, fixed: NDArray[np.floating], moving: NDArray[np.floating]) -> dict[str, Any]:
    after = {stage: registration_error(registration.transform.until(stage), fixed, moving) for stage in STAGES}
    medians = {stage: round(float(np.median(errors)), 3) for stage, errors in after.items()}
    as_scanned = float(np.median(np.linalg.norm(np.subtract(moving, fixed), axis=1)))
    return {
        "landmarks": len(fixed),
        "as_scanned": round(as_scanned, 3),
        **medians,
        f"{STAGES[-1]}_percentile_95": round(float(np.percentile(after[STAGES[-1]], 95)), 3),
    }
