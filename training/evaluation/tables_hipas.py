"""The tables of the whole lung, ours beside what the HiPaS paper prints."""

from __future__ import annotations

from collections.abc import Mapping

from training.evaluation import paper
from training.evaluation.results import Column, Results
from training.evaluation.rows import CECT_VESSELS, NCCT_VESSELS, SYN_VESSELS
from training.evaluation.table import NONE, TEST, VESSEL, Group, Table, comparison_cells, mean_sd

SETS = ("HiPaS paper, NRCT", "HiPaS paper, LRCT")


def dice(results: Results) -> Table:
    """HiPaS, figure 2: Dice."""
    keys = ("dice_pa", "dice_pa_lungs", "dice_pv", "dice_pv_lungs")
    columns = ("PA", "PA in lungs", "PV", "PV in lungs")
    title = "Dice in %, arteries and veins of the whole scan and in the lungs (HiPaS, figure 2)"
    table = _by_method("dice", title, results, keys, columns, paper.HIPAS_DICE)
    notes = (
        "The row without a model gives the segmenter the NCCT twice: what it can do without contrast, and how far it "
        "was trained for that, cannot be told apart.",
        "The nnU-Net of the paper is far below what nnU-Net reaches on the public part of its data (89.5 and 88.1): "
        "it is no measure of nnU-Net.",
    )
    return Table(table.name, table.title, table.groups, table.rows, notes)


def tree(results: Results) -> Table:
    """HiPaS, figure 2: skeleton length and bifurcations."""
    keys = ("sl_ratio_pa", "sl_ratio_pv", "bc_ratio_pa", "bc_ratio_pv")
    columns = ("SL of PA", "SL of PV", "BC of PA", "BC of PV")
    title = "Skeleton length (SL) and bifurcations (BC), % of the reference's (HiPaS, figure 2)"
    table = _by_method("tree", title, results, keys, columns, paper.HIPAS_TREE)
    notes = (
        "These ratios can exceed 100 % and reward false branches; the next table asks that both lie in one place.",
        "The paper's text prints the same figures as artery / vein, but they match its figure read as vein / artery.",
    )
    return Table(table.name, table.title, table.groups, table.rows, notes)


def detected(results: Results) -> Table:
    """Everything else of the whole lung, ours minus no model beside it."""
    names = {
        "dice": "Dice",
        "length": "tree length found",
        "branches": "branches found",
        "precision": "skeleton precision",
        "cldice": "clDice",
        "sensitivity": "sensitivity",
        "specificity": "specificity",
        "hd95": "HD95, mm",
    }
    keys = {f"{name}_{vessel}": f"{VESSEL[vessel]} {title}" for name, title in names.items() for vessel in VESSEL}
    keys |= {
        "sensitivity": "PA and PV sensitivity",
        "sensitivity_wide": "sensitivity, radius 1.5 mm and more",
        "mcs": "MCS",
        "mcs_lungs": "MCS in lungs",
        "false_airway_wall": "airway wall called vessel",
        "false_pleura": "pleura called vessel",
        "false_nodule": "nodule called vessel",
    }
    for vessel, title in VESSEL.items():
        keys[f"length_per_litre_{vessel}"] = f"{title} length, mm per litre of lung"
        keys[f"bc_per_litre_{vessel}"] = f"{title} bifurcations per litre of lung"
    compared = results.compared("segmentation", keys)
    rows = []
    for key, title in keys.items():
        fine = any(word in key for word in ("specificity", "mcs", "false"))
        digits = 1 if "litre" in key or "hd95" in key else 4 if fine else 3
        ours = [mean_sd(column, digits) for column in _columns(results, key)]
        rows.append((title, *ours, *comparison_cells(compared.get(key), digits)))
    groups = (Group("ours, mean ± SD", ("NCCT", "Syn-CECT", "true CECT")), Group("Syn-CECT minus NCCT", TEST))
    notes = (
        "MCS: share of vessel voxels that carry the other vessel's name, 0 to 0.5 (the paper prints 100 times that). "
        "Its MCS, specificity and HD95 stand in a supplement that is not in the text.",
        "Structures called vessel: shares of their voxels, those next to a true vessel left out; the pleura is the "
        "outermost two voxels of the lungs, a nodule the sphere of its diameter.",
        "The paper's AUC (99.7 to 99.9 %) is taken over the whole volume, most of which no method calls vessel; a map "
        "of labels has none.",
    )
    return Table("detected", "Trees found, errors and abundance", groups, tuple(rows), notes)


def printed_text(results: Results) -> Table:
    """HiPaS, the figures printed in its text."""
    ours = {"Dice, artery": "dice_pa", "Dice, vein": "dice_pv", "sensitivity, both": "sensitivity"}
    rows = tuple((name, *_percent(results, ours.get(name)), *printed) for name, printed in paper.HIPAS_TEXT.items())
    groups = (Group("ours, mean ± SD", ("NCCT", "Syn-CECT", "true CECT")), Group("HiPaS paper", ("NRCT", "LRCT"), True))
    note = "The paper's are means with 95 % intervals over 142 and 56 scans."
    return Table("text", "The figures of the text, % (HiPaS)", groups, rows, (note,))


def agreement(results: Results) -> Table:
    """HiPaS, patients scanned both ways."""

    def both(row: str, name: str) -> str:
        pa, pv = (results.column("segmentation", row, f"{name}_{vessel}") for vessel in VESSEL)
        return f"{mean_sd(pa, 1, 100)} / {mean_sd(pv, 1, 100)}"

    ours = {
        "map of the NCCT against the truth": (both(NCCT_VESSELS, "dice"), both(SYN_VESSELS, "dice")),
        "map of the CTPA against the truth": (both(CECT_VESSELS, "dice"), NONE),
        "map of the NCCT against that of the CTPA": (both(NCCT_VESSELS, "agreement"), both(SYN_VESSELS, "agreement")),
    }
    rows = tuple((name, *ours[name], printed) for name, printed in paper.HIPAS_AGREEMENT.items())
    groups = (
        Group("ours, PA / PV", ("without synthesis", "with Syn-CECT")),
        Group("HiPaS paper", ("14 patients",), True),
    )
    return Table("agreement", "With and without contrast medium: Dice in % (HiPaS)", groups, rows)


def _by_method(
    name: str,
    title: str,
    results: Results,
    keys: tuple[str, ...],
    columns: tuple[str, ...],
    printed: Mapping[str, tuple[str, ...]],
) -> Table:
    """Ours first, then the methods of the paper."""
    rows = [
        (row, *(mean_sd(results.column("segmentation", row, key), 1, 100) for key in keys), *[NONE] * 2 * len(keys))
        for row in (NCCT_VESSELS, SYN_VESSELS, CECT_VESSELS)
    ]
    rows += [(method, *[NONE] * len(keys), *values) for method, values in printed.items()]
    groups = (Group("ours, mean ± SD", columns), *(Group(one, columns, True) for one in SETS))
    return Table(name, title, groups, tuple(rows))


def _columns(results: Results, key: str) -> list[Column]:
    return [results.column("segmentation", row, key) for row in (NCCT_VESSELS, SYN_VESSELS, CECT_VESSELS)]


def _percent(results: Results, key: str | None) -> tuple[str, ...]:
    return tuple(mean_sd(column, 1, 100) for column in _columns(results, key)) if key else (NONE,) * 3
