"""Publisher: puts a series' results in place once every writer is done."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import Fragment, OperatorSpec

from operators.record import RunRecord
from operators.stage import Job, Stage
from pulmomap.staging import Staging


class Publisher(Stage):
    """The end of the graph: all results of a series appear at once, or none do."""

    title = "publish"

    def __init__(self, fragment: Fragment, *, record: RunRecord, staging: Staging, writers: tuple[str, ...]) -> None:
        self._staging = staging
        self._writers = writers
        super().__init__(fragment, record=record)

    def setup(self, spec: OperatorSpec) -> None:
        for writer in self._writers:
            spec.input(writer)

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        jobs: list[Job[Any]] = [op_input.receive(writer) for writer in self._writers]
        key = jobs[0].series.key
        if any(job.content is None for job in jobs):
            self._staging.discard(key)
            return
        with self.record.stage(key, self.title):
            folder = self._staging.publish(key)
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            self.record.done(key, [str(path.relative_to(self._staging.output)) for path in files])
