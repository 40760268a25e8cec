"""The anatomical study: how abundant the vessels of a cohort are, given lung size, sex, age and disease.

For each of four indices, an ordinary least squares fit (after the HiPaS study):

    index ~ lung volume + male + age + cardiomegaly + artery wall calcification + PAH + nodule + embolism + COPD

The published study tests 6 diseases x 4 indices without correction; here Holm's stands beside every p of a disease.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pulmomap.metrics.comparison import holm
from pulmomap.metrics.regression import Regression, regress
from pulmomap.staging import write_atomically
from training.cohort_plot import Panel, draw
from training.cohort_table import DISEASES, INDICES, Patient, TableError, read

Columns = dict[str, NDArray[np.float64]]


def study(table: Path, out: Path) -> None:
    """Fit the four regressions and draw the indices over lung volume.

    Args:
        table: CSV (UTF-8, comma) with the columns of :class:`training.cohort_table.Patient`, in any order.
        out: folder for ``regression.md``, ``regression.csv`` and ``scatter.png``; made if missing.

    Raises:
        TableError: if the table cannot be read or the regression not be fitted.
        FileNotFoundError: if there is no table.
    """
    patients = read(table)
    complete = [patient for patient in patients if None not in patient.model_dump().values()]
    if not complete:
        raise TableError(f"{table}: none of the {len(patients)} patients has a value in every column")
    columns = _columns(complete)
    constant = [name for name in ("male", *DISEASES) if np.ptp(columns[name]) == 0]
    predictors = {name: column for name, column in columns.items() if name not in (*INDICES, *constant)}
    try:
        fits = {index: regress(columns[index], predictors) for index in INDICES}
    except ValueError as error:
        raise TableError(f"{table}: {error}") from error
    corrected = holm({f"{i} {d}": fits[i][d].p for i in INDICES for d in DISEASES if d in predictors})
    out.mkdir(parents=True, exist_ok=True)
    text = _markdown(fits, corrected, len(patients) - len(complete), constant)
    write_atomically(out / "regression.md", text.encode())
    write_atomically(out / "regression.csv", _csv(fits, corrected).encode())
    picture = io.BytesIO()
    draw([_panel(index, columns) for index in INDICES]).save(picture, "PNG")
    write_atomically(out / "scatter.png", picture.getvalue())


def run(args: argparse.Namespace) -> int:
    """The `cohort` command."""
    study(args.table, args.out)
    print(f"{args.out / 'regression.md'}\n{args.out / 'scatter.png'}")
    return 0


def _columns(patients: list[Patient]) -> Columns:
    """The predictors in their order, then the indices."""

    def column(name: str) -> NDArray[np.float64]:
        return np.array([float(getattr(patient, name)) for patient in patients])

    male = np.array([float(patient.sex == "M") for patient in patients])
    return {
        "lung_volume_l": column("lung_volume_l"),
        "male": male,
        "age_years": column("age_years"),
        **{name: column(name) for name in (*DISEASES, *INDICES)},
    }


def _markdown(
    fits: Mapping[str, Regression], corrected: Mapping[str, float], incomplete: int, constant: list[str]
) -> str:
    n = next(iter(fits.values())).n
    lines = [
        "# Anatomical study",
        "",
        f"{n} patients; {incomplete} more left out for an empty cell. Ordinary least squares, "
        f"p of Student's t, Holm's correction over the {len(corrected)} tests of diseases.",
    ]
    if constant:
        lines += ["", f"Left out, the same for every patient: {', '.join(constant)}."]
    for index, fit in fits.items():
        lines += [
            "",
            f"## {index}: {INDICES[index]}",
            "",
            f"R² {fit.r2:.3f}, adjusted {fit.adjusted_r2:.3f}",
            "",
            "| predictor | coefficient | SE | 95 % interval | p | p (Holm) |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        for row in fit.coefficients:
            adjusted = corrected.get(f"{index} {row.name}")
            low, high = row.interval
            lines.append(
                f"| {row.name} | {row.value:.4g} | {row.se:.3g} | {low:.4g} to {high:.4g} | {_p(row.p)} | "
                f"{'' if adjusted is None else _p(adjusted)} |"
            )
    return "\n".join(lines) + "\n"


def _p(value: float) -> str:
    return "<.001" if value < 0.001 else f"{value:.3f}"


def _csv(fits: Mapping[str, Regression], corrected: Mapping[str, float]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["index", "n", "r2", "predictor", "coefficient", "se", "t", "p", "p_holm", "low", "high"])
    for index, fit in fits.items():
        for row in fit.coefficients:
            adjusted = corrected.get(f"{index} {row.name}", "")
            values = (row.value, row.se, row.t, row.p, adjusted, *row.interval)
            writer.writerow([index, fit.n, fit.r2, row.name, *values])
    return text.getvalue()


def _panel(index: str, columns: Columns) -> Panel:
    male = columns["male"] == 1
    groups = {name: (columns["lung_volume_l"][who], columns[index][who]) for name, who in (("F", ~male), ("M", male))}
    return Panel(f"{index}: {INDICES[index]}", "lung volume (litres)", groups)
