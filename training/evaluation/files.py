"""The figures as files for other programs: three CSV tables, and the summary that a model card is written from."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pulmomap.staging import write_atomically
from training.evaluation.defects import STRUCTURES
from training.evaluation.results import Results
from training.evaluation.rows import COMPARED
from training.store import ranges

SUMMARY = "evaluation.json"
CARD = {
    "synthesis": (
        *("psnr", "lungs_psnr", "vessel_psnr", "ms_ssim", "vessel_mae", "other_mae", "plain_mae"),
        *("holes_per_metre", "holes_share", "invented_per_metre"),
    ),
    "segmentation": (
        *(f"{name}_{vessel}{where}" for vessel in ("pa", "pv") for name, where in (("dice", ""), ("dice", "_lungs"))),
        *(f"{name}_{vessel}" for name in ("length", "branches", "hd95") for vessel in ("pa", "pv")),
        "sensitivity",
        "sensitivity_wide",
        "mcs",
        *(f"false_{name}" for name in STRUCTURES),
    ),
}
"""Figures of the summary, as they stand in model cards."""


def write_tables(results: Results, out: Path) -> None:
    """Write ``images.csv`` and ``vessels.csv``, one line a case and row, and ``nodules.csv``, one a nodule and row.

    A cell is a number, or the word for why there is none (``pred_empty`` and so on).
    """
    for task, name in (("synthesis", "images"), ("segmentation", "vessels")):
        lines = [([case["case"], row], figures) for case in results.cases for row, figures in case[task].items()]
        _write(out / f"{name}.csv", ["case", "row"], results.figures(task), lines)
    nodules = [
        ([case["case"], one["name"], one["diameter_mm"], row], figures)
        for case in results.cases
        for one in case["nodules"]
        for row, figures in one["rows"].items()
    ]
    _write(out / "nodules.csv", ["case", "nodule", "diameter_mm", "row"], results.figures("nodules"), nodules)


def write_summary(results: Results, out: Path) -> dict[str, Any]:
    """Write the means and comparisons of :data:`CARD` as JSON (``export --evaluation`` reads it), and return them."""
    content: dict[str, Any] = {"held_out": _measured_on(results.names)}
    for task, figures in CARD.items():
        columns = {row: {key: results.column(task, row, key) for key in figures} for row in results.rows(task)}
        content[task] = {
            row: {key: float(np.nanmean(values)) for key, values in row_columns.items() if np.isfinite(values).any()}
            for row, row_columns in columns.items()
        }
    content["comparisons"] = {
        task: {
            figure: {
                "difference": one.test.difference,
                "interval": one.test.interval,
                "test": one.test.test,
                "p": one.p_holm,
                "rank_biserial": one.test.rank_biserial,
                "n": one.test.n,
            }
            for figure, one in results.compared(task, figures).items()
        }
        for task, figures in CARD.items()
    }
    content["compared"] = {task: list(COMPARED[task]) for task in CARD}
    write_atomically(out / SUMMARY, (json.dumps(content, indent=1) + "\n").encode())
    return content


def _measured_on(names: Iterable[str]) -> str:
    """Who was measured: phantoms by their seeds, others by their number, never by name."""
    listed = list(names)
    if all(name.startswith("phantom-") and name.removeprefix("phantom-").isdigit() for name in listed):
        return f"{len(listed)} phantoms, seeds {ranges(int(name.removeprefix('phantom-')) for name in listed)}"
    return f"{len(listed)} cases"


def _write(
    path: Path, first: Sequence[str], figures: Sequence[str], lines: Iterable[tuple[list[Any], dict[str, Any]]]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*first, *figures])
    writer.writerows([*names, *(values.get(key, "") for key in figures)] for names, values in lines)
    write_atomically(path, text.getvalue().encode())
