"""All measured cases together: columns of figures, their summaries, and the paired comparisons."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pulmomap.metrics.comparison import PairedComparison, compare, holm
from training.evaluation.rows import COMPARED, lower_is_better
from training.evaluation.running import result_path

Column = NDArray[np.float64]

LEAST = 3
"""Patients that a paired comparison needs."""


@dataclass(frozen=True)
class Compared:
    """Ours minus no model in one figure, and its p after Holm's correction over the figures asked for together."""

    test: PairedComparison
    p_holm: float


@dataclass(frozen=True)
class Results:
    """The measured cases.

    Attributes:
        cases: the contents of their files, by name.
    """

    cases: tuple[dict[str, Any], ...]

    def __len__(self) -> int:
        return len(self.cases)

    @property
    def names(self) -> list[str]:
        return [str(case["case"]) for case in self.cases]

    def rows(self, task: str) -> list[str]:
        """Names of the rows of a task, those that some case lacks too."""
        return list(dict.fromkeys(row for case in self.cases for part in _parts(case, task) for row in part))

    def figures(self, task: str) -> list[str]:
        """Names of the figures of a task."""
        parts = [part for case in self.cases for part in _parts(case, task)]
        return list(dict.fromkeys(key for part in parts for figures in part.values() for key in figures))

    def column(self, task: str, row: str, figure: str) -> Column:
        """(cases,) the figure of every case, NaN where it has none; of several nodules, their mean."""
        return np.array([_mean(_values(case, task, row, figure)) for case in self.cases])

    def missing(self, task: str, row: str, figure: str) -> Counter[str]:
        """Why cases or nodules have no such figure, counted."""
        values = (value for case in self.cases for value in _values(case, task, row, figure))
        return Counter(value for value in values if isinstance(value, str))

    def compared(self, task: str, figures: Iterable[str]) -> dict[str, Compared]:
        """Ours minus no model for several figures, p corrected over them; those of too few patients are left out."""
        plain, ours = COMPARED[task]
        tests = {}
        for figure in figures:
            first, second = (self.column(task, row, figure) for row in (ours, plain))
            if np.isfinite(first + second).sum() >= LEAST:
                tests[figure] = compare(first, second, lower_is_better=lower_is_better(figure))
        corrected = holm({figure: test.p for figure, test in tests.items()})
        return {figure: Compared(test, corrected[figure]) for figure, test in tests.items()}


def read_results(out: Path, names: Iterable[str]) -> Results:
    """The files of these cases, as far as they are there."""
    paths = [result_path(out, name) for name in sorted(names)]
    return Results(tuple(json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()))


def _parts(case: dict[str, Any], task: str) -> Sequence[dict[str, dict[str, Any]]]:
    """The rows of a case; those of each nodule."""
    return [nodule["rows"] for nodule in case["nodules"]] if task == "nodules" else [case[task]]


def _values(case: dict[str, Any], task: str, row: str, figure: str) -> list[float | str]:
    return [part[row][figure] for part in _parts(case, task) if figure in part.get(row, {})]


def _mean(values: Sequence[float | str]) -> float:
    numbers = [value for value in values if not isinstance(value, str)]
    return float(np.mean(numbers)) if numbers else math.nan
