"""The figures of an evaluation: plain arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

PSNR_RANGE = 2000.0  # HU

Mask = NDArray[np.bool_]
Figures = dict[str, float]


def image_figures(image: NDArray[np.number], cect: NDArray[np.number], vessels: Mask) -> Figures:
    """How far an image is from the CECT.

    Args:
        image, cect: HU, one shape.
        vessels: PA and PV.

    Returns:
        ``psnr`` dB (R = 2000 HU); ``vessel_mae`` and ``other_mae`` HU, in and outside PA and PV.
    """
    error = np.abs(image.astype(np.float32) - cect.astype(np.float32))
    square = float(np.mean(np.square(error, dtype=np.float64)))
    return {
        "psnr": float(10 * np.log10(PSNR_RANGE**2 / max(square, 1e-9))),
        "vessel_mae": float(error[vessels].mean()),
        "other_mae": float(error[~vessels].mean()),
    }


def label_figures(found: NDArray[np.uint8], truth: NDArray[np.uint8], lungs: Mask) -> Figures:
    """How well arteries and veins were found.

    Args:
        found, truth: 0 background, 1 PA, 2 PV.
        lungs: inside the lungs.

    Returns:
        Dice of PA and PV, everywhere and inside the lungs; ``sensitivity``, the share of true vessel voxels found as
        either; ``swapped``, the share of those found that got the wrong name.
    """
    figures: Figures = {}
    for name, label in (("pa", 1), ("pv", 2)):
        figures[f"dice_{name}"] = dice(found == label, truth == label)
        figures[f"dice_{name}_lungs"] = dice((found == label) & lungs, (truth == label) & lungs)
    both = (found > 0) & (truth > 0)
    figures["sensitivity"] = float(both.sum() / max(int((truth > 0).sum()), 1))
    figures["swapped"] = float((found != truth)[both].mean()) if both.any() else float("nan")
    return figures


def dice(found: Mask, truth: Mask) -> float:
    """Dice overlap; not a number when both are empty, so that nothing found of nothing does not count as perfect."""
    total = int(found.sum()) + int(truth.sum())
    return 2.0 * int((found & truth).sum()) / total if total else float("nan")


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


def _cell(key: str, value: float) -> str:
    return f"{value:.1f}" if key.endswith(("psnr", "mae")) else f"{value:.3f}"
