"""The figures of an evaluation, one row a method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray

from pulmomap.metrics.image import psnr
from pulmomap.metrics.similarity import ms_ssim
from pulmomap.metrics.vessel import vessel_table

Mask = NDArray[np.bool_]
Figures = dict[str, float]


def image_figures(image: NDArray[np.number], cect: NDArray[np.number], vessels: Mask, lungs: Mask) -> Figures:
    """How far an image is from the CECT.

    Args:
        image, cect: HU, one shape.
        vessels: PA and PV.
        lungs: inside the lungs.

    Returns:
        ``psnr`` dB (R = 2000 HU), everywhere, in the vessels and in the lungs; ``ms_ssim`` (volumetric);
        ``vessel_mae`` and ``other_mae`` HU, in and outside PA and PV.
    """
    error = np.abs(image.astype(np.float32) - cect.astype(np.float32))
    return {
        "psnr": psnr(image, cect).value,
        "lungs_psnr": psnr(image, cect, lungs).value,
        "vessel_psnr": psnr(image, cect, vessels).value,
        "ms_ssim": ms_ssim(image, cect).outcome.value,
        "vessel_mae": float(error[vessels].mean()),
        "other_mae": float(error[~vessels].mean()),
    }


def label_figures(found: Volume, truth: Volume, lungs: Volume) -> Figures:
    """How well arteries and veins were found; definitions in :mod:`pulmomap.metrics.vessel`.

    Args:
        found, truth: 0 background, 1 PA, 2 PV, on one grid.
        lungs: mask of both lungs.

    Returns:
        Of PA and PV each: Dice everywhere and in the lungs, share of the centre lines found, share of the branches
        found, HD95 mm; ``sensitivity``, the share of true vessel voxels found as either; ``mcs``, artery/vein
        misclassification (0 to 0.5).
    """
    scores = vessel_table(found, truth, lungs)
    figures: Figures = {}
    for name, vessel in (("pa", scores.artery), ("pv", scores.vein)):
        figures |= {
            f"dice_{name}": vessel.dice.value,
            f"dice_{name}_lungs": vessel.dice_lung.value,
            f"length_{name}": vessel.tree.length_detected.value,
            f"branches_{name}": vessel.tree.branches_detected.value,
            f"hd95_{name}": vessel.hd95.value,
        }
    true = np.asarray(truth.array) > 0
    figures["sensitivity"] = float((np.asarray(found.array)[true] > 0).mean()) if true.any() else float("nan")
    figures["mcs"] = scores.misclassification.value
    return figures


def mean_figures(patients: Iterable[Mapping[str, float]]) -> Figures:
    """Mean over patients, a patient without a figure left out of that figure."""
    rows = list(patients)
    return {key: float(np.nanmean([row[key] for row in rows])) for key in rows[0]}


def table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """A Markdown table, one row a method, one column a figure; '-' where a method has no such figure."""
    columns = list(dict.fromkeys(key for figures in rows.values() for key in figures))
    lines = ["| method | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for method, figures in rows.items():
        cells = [_cell(key, figures[key]) if key in figures else "-" for key in columns]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def comparison_table(compared: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table of paired comparisons, one row a figure."""
    lines = ["| figure | difference | 95 % interval | test | p (Holm) | n |", "|---" * 6 + "|"]
    for key, row in compared.items():
        low, high = (_cell(key, value) for value in row["interval"])
        difference = _cell(key, row["difference"])
        lines.append(f"| {key} | {difference} | {low} to {high} | {row['test']} | {row['p']:.3g} | {row['n']} |")
    return "\n".join(lines)


def _cell(key: str, value: float) -> str:
    return f"{value:.1f}" if "hd95" in key or key.endswith(("psnr", "mae")) else f"{value:.3f}"
