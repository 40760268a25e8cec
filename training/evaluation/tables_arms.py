"""The tables of `compare`: every arm, ours and the paper's, in Markdown, CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pulmomap.metrics.comparison import compare, holm
from pulmomap.staging import write_atomically
from training.evaluation import paper
from training.evaluation.arms import NCCT, SYN, row_name
from training.evaluation.results import LEAST, Compared, Results
from training.evaluation.rows import lower_is_better
from training.evaluation.table import NONE, TEST, Group, Table, comparison_cells, mean_sd
from training.evaluation.tables_hipas import SETS

NAME = "comparison"
TASK = "segmentation"
PERCENT = {
    "dice": {"dice_pa": "PA", "dice_pa_lungs": "PA in lungs", "dice_pv": "PV", "dice_pv_lungs": "PV in lungs"},
    "tree": {
        "sl_ratio_pa": "SL of PA",
        "sl_ratio_pv": "SL of PV",
        "bc_ratio_pa": "BC of PA",
        "bc_ratio_pv": "BC of PV",
    },
    "found": {
        "length_pa": "length found, PA",
        "length_pv": "PV",
        "branches_pa": "branches found, PA",
        "branches_pv": "PV",
        "sensitivity": "sensitivity",
        "sensitivity_wide": "of radius ≥ 1.5 mm",
        "mcs": "MCS",
        "mcs_lungs": "MCS in lungs",
    },
    "false": {"false_airway_wall": "airway wall", "false_pleura": "pleura", "false_nodule": "nodule"},
}
"""Figures of each table, %, and their columns."""

MILLIMETRES = {"hd95_pa": "PA", "hd95_pv": "PV"}
GAIN = ("dice_pa", "dice_pv", "dice_pa_lungs", "dice_pv_lungs", "sensitivity_wide", "mcs")


def write(results: Results, out: Path, weights: str) -> str:
    """Write ``comparison.md`` and ``comparison.json``; returns the Markdown."""
    tables = [
        _table(results, "dice", "Dice (HiPaS, figure 2)", paper.HIPAS_DICE),
        _table(
            results, "tree", "Skeleton length and bifurcations, of the reference's (HiPaS, figure 2)", paper.HIPAS_TREE
        ),
        _table(results, "found", "Trees found and confusion"),
        _table(results, "false", "Voxels called vessel although they are"),
        _distances(results),
        _gain(results),
    ]
    text = f"{len(results)} cases, mean ± SD; figures in % unless a table says otherwise.\n\n"
    text += (
        "\n\n".join(markdown(one) for one in tables if one.rows)
        + f"\n\nWeights (SHA-256):\n\n```json\n{weights}\n```\n"
    )
    write_atomically(out / f"{NAME}.md", text.encode())
    write_atomically(out / f"{NAME}.json", (json.dumps(_means(results), indent=1) + "\n").encode())
    return text


def markdown(table: Table) -> str:
    """A table with its groups as one line of headings."""
    heads = [f"{group.title}: {column}" for group in table.groups for column in group.columns]
    lines = [f"### {table.title}", "", f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    lines += [f"| {' | '.join(row)} |" for row in table.rows]
    return "\n".join([*lines, *(f"\n{note}" for note in table.notes)])


def _table(results: Results, name: str, title: str, printed: Mapping[str, Sequence[str]] | None = None) -> Table:
    """Our arms, and under them the paper's methods where it prints these figures."""
    keys = PERCENT[name]
    groups = [Group("ours", tuple(keys.values()))]
    digits = 2 if name == "false" else 1
    missing = 0 if printed is None else 2 * len(keys)
    rows = [
        (row, *(mean_sd(results.column(TASK, row, key), digits, 100) for key in keys), *[NONE] * missing)
        for row in results.rows(TASK)
    ]
    if printed is not None:
        groups += [Group(one, tuple(keys.values()), True) for one in SETS]
        rows += [(f"*{method}*", *[NONE] * len(keys), *values) for method, values in printed.items()]
    return Table(name, f"{title}, %", tuple(groups), tuple(rows), _notes(name))


def _notes(name: str) -> tuple[str, ...]:
    return {
        "dice": ("The paper's figures are of patients, ours of the cases of the store: they are no race.",),
        "tree": ("These ratios can exceed 100 % and reward false branches.",),
        "found": ("MCS: vessel voxels that carry the other vessel's name, 0 to 50 %.",),
        "false": (
            "Voxels next to a true vessel are left out. Pleura: the outermost two voxels of the lungs. Nodule: a "
            "sphere of its diameter. – where the case does not say where the structure is.",
        ),
    }[name]


def _distances(results: Results) -> Table:
    rows = [(row, *(mean_sd(results.column(TASK, row, key), 1) for key in MILLIMETRES)) for row in results.rows(TASK)]
    return Table("hd95", "HD95, mm", (Group("ours", tuple(MILLIMETRES.values())),), tuple(rows))


def _gain(results: Results) -> Table:
    """With the Syn-CECT minus without, for every arm that was given both, paired by patient."""
    rows = []
    names = results.rows(TASK)
    arms = [row.removesuffix(f", {SYN}") for row in names if row.endswith(f", {SYN}")]
    for arm in arms:
        tests = {}
        for key in GAIN:
            ours, plain = (results.column(TASK, row_name(arm, given), key) for given in (SYN, NCCT))
            if np.isfinite(ours + plain).sum() >= LEAST:
                tests[key] = compare(ours, plain, lower_is_better=lower_is_better(key))
        corrected = holm({key: test.p for key, test in tests.items()})
        rows += [(f"{arm}: {key}", *comparison_cells(Compared(test, corrected[key]), 4)) for key, test in tests.items()]
    return Table("gain", "What the Syn-CECT gives: with it minus without, of 1", (Group("paired", TEST),), tuple(rows))


def _means(results: Results) -> dict[str, dict[str, float]]:
    """Row -> figure -> mean over the cases that have it."""
    found: dict[str, dict[str, float]] = {}
    for row in results.rows(TASK):
        columns = {key: results.column(TASK, row, key) for key in results.figures(TASK)}
        found[row] = {key: float(np.nanmean(one)) for key, one in columns.items() if np.isfinite(one).any()}
    return found
