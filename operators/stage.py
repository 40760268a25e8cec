"""The frame every operator of the scan's way shares: receive a job, do one thing, pass it on."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from monai.deploy.core import Fragment, Operator, OperatorSpec

from operators.record import RunRecord
from pulmomap.case import SelectedSeries

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Job(Generic[T]):
    """What travels through the graph: a series and how far it has come.

    Attributes:
        series: the series.
        content: the message of the stage before; None once the series was refused or has failed (the record says
            why), so that a bad series passes to the end without stopping the others.
    """

    series: SelectedSeries
    content: T | None


class Stage(Operator):  # type: ignore[misc]
    """An operator with one input, one output, and :meth:`work` between them.

    Attributes:
        title: the stage's name in the manifest, the log and the progress display.
    """

    title: str

    def __init__(self, fragment: Fragment, *args: Any, record: RunRecord, **kwargs: Any) -> None:
        self.record = record
        super().__init__(fragment, *args, name=self.title, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        spec.input("job")
        spec.output("job")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        job: Job[Any] = op_input.receive("job")
        op_output.emit(self.advance(job), "job")

    def advance(self, job: Job[Any]) -> Job[Any]:
        """The next job: with this stage's result, or without content when the series ends here."""
        result = None
        if job.content is not None:
            with self.record.stage(job.series.key, self.title):
                try:
                    result = self.work(job.content)
                except Exception:
                    log.debug("stage %s of series %s", self.title, job.series.key, exc_info=True)
                    raise
        return Job(job.series, result)

    def work(self, content: Any) -> Any:
        """Turn the message of the stage before into this stage's. Raises Refused for bad input."""
        raise NotImplementedError
