"""A table of an evaluation, and how its cells are written."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pulmomap.metrics.comparison import Summary, summarise
from training.evaluation.results import Column, Compared

NONE = "–"
"""A cell for which there is no figure."""

VESSEL = {"pa": "PA", "pv": "PV"}

TEST = ("difference", "95 % interval", "Z or t", "p (Holm)", "p, worst rank")
"""Columns of a paired comparison."""


@dataclass(frozen=True)
class Group:
    """Neighbouring columns under one heading; ``printed`` where they are a paper's."""

    title: str
    columns: tuple[str, ...]
    printed: bool = False


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        name: short, for links.
        title: what it shows and of which table of a paper it is the counterpart.
        groups: its columns after the first.
        rows: cells, the row's name first.
        notes: what a reader must know, one sentence each.
    """

    name: str
    title: str
    groups: tuple[Group, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = field(default=())


def mean_sd(values: Column, digits: int, scale: float = 1.0) -> str:
    """``mean ± SD`` of the cases that have the figure, and how many where some have not."""
    one = _summary(values * scale)
    if one is None:
        return NONE
    spread = f" ± {one.sd:.{digits}f}" if one.n > 1 else ""
    return f"{one.mean:.{digits}f}{spread}{_count(values, one)}"


def median_quartiles(values: Column, digits: int) -> str:
    """``median (Q1, Q3)``, likewise."""
    one = _summary(values)
    if one is None:
        return NONE
    low, high = one.quartiles
    spread = f" ({low:.{digits}f}, {high:.{digits}f})" if one.n > 1 else ""
    return f"{one.median:.{digits}f}{spread}{_count(values, one)}"


def comparison_cells(one: Compared | None, digits: int) -> tuple[str, ...]:
    """Difference, interval, statistic, p after Holm, p with failures at the worst rank."""
    if one is None:
        return (NONE,) * 5
    low, high = one.test.interval
    letter = "t" if one.test.test == "paired t" else "Z"
    return (
        f"{one.test.difference:+.{digits}f}",
        f"{low:+.{digits}f} to {high:+.{digits}f}",
        f"{letter} {one.test.statistic:.2f}",
        p_text(one.p_holm),
        p_text(one.test.worst_rank.p),
    )


def p_text(p: float) -> str:
    """Three decimals, as the papers write them."""
    return "<.001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 1 else "1"


def _summary(values: Column) -> Summary | None:
    valid = values[np.isfinite(values)]
    return summarise(valid, normal=True) if valid.size else None


def _count(values: Column, one: Summary) -> str:
    return f" [n = {one.n}]" if one.n < values.size else ""
