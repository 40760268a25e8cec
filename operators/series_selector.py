"""SeriesSelector: emits the series that the rules let pass, one a tick."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holoscan.conditions import CountCondition
from monai.deploy.core import Fragment, OperatorSpec

from operators.record import RunRecord
from operators.stage import Job, Stage
from pulmomap.case import SelectedSeries


class SeriesSelector(Stage):
    """The source of the graph.

    Args:
        selected: the series to stream, in order. They are chosen before the graph is built, because the graph must
            know how many ticks to run, and because a folder with nothing suitable needs no graph at all.
    """

    title = "selection"

    def __init__(self, fragment: Fragment, *, selected: Sequence[SelectedSeries], record: RunRecord) -> None:
        self._selected = iter(selected)
        super().__init__(fragment, CountCondition(fragment, len(selected)), record=record)

    def setup(self, spec: OperatorSpec) -> None:
        spec.output("job")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        series = next(self._selected)
        self.record.note(series.key, series.flags, series.notes)
        op_output.emit(Job(series, series), "job")
