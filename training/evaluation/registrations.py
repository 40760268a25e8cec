"""The table of the pairs that were registered here: how well their scans lie on each other."""

from __future__ import annotations

from typing import Any

from training.evaluation.results import Results
from training.evaluation.table import NONE, Group, Table


def registrations(results: Results) -> list[Table]:
    """One row a registered pair; no table where there is none."""
    reports = {case["case"]: case["facts"].get("registration") for case in results.cases}
    rows = tuple((name, *_cells(report)) for name, report in reports.items() if report)
    if not rows:
        return []
    groups = (
        Group("Dice of the lungs", ("as scanned", "registered")),
        Group("correlation in the lungs", ("as scanned", "registered")),
        Group("transform", ("folding, %", "bend, mm", "seconds")),
        Group("error on landmarks, median mm", ("as scanned", "rigid", "affine", "B-spline", "number")),
    )
    notes = (
        "The CECT was brought onto the NCCT's grid (rigid, affine, B-spline). A registration that is not to be "
        "believed is refused: its case stands under “Not measured”.",
        "Bend: 95th percentile of what the B-spline adds to the affine transform in the lungs.",
    )
    return [Table("registrations", "Registered pairs", groups, rows, notes)]


def _cells(report: dict[str, Any]) -> tuple[str, ...]:
    before, after, error = report["before"], report["after"], report["tre_mm"] or {}
    return (
        *(_text(one["lung_dice"], 3) for one in (before, after)),
        *(_text(one["correlation"], 3) for one in (before, after)),
        _text(100 * report["folding"], 3),
        _text(report["deformation_mm"], 1),
        _text(report["seconds"], 0),
        *(_text(error.get(stage), 2) for stage in ("as_scanned", "rigid", "affine", "bspline")),
        _text(error.get("landmarks"), 0),
    )


def _text(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{value:.{digits}f}"
