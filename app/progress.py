"""Tells the person, or the log, how far the run is."""

from __future__ import annotations

import logging
import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from operators.record import Outcome, SeriesRecord

log = logging.getLogger("pulmomap.run")

STAGES = ("volume", "synthesis", "segmentation", "measurement", "ct", "seg", "sr", "report", "publish")


class Reporter:
    """Listens to the run's record: a bar a series on a terminal, a log line a stage elsewhere.

    Args:
        keys: the series in the order in which they will be processed.
    """

    def __init__(self, keys: list[str]) -> None:
        self._number = {key: number for number, key in enumerate(keys, start=1)}
        self._bars: dict[str, TaskID] = {}
        self._progress: Progress | None = None
        if sys.stderr.isatty():
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
            self._progress = Progress(*columns, console=Console(stderr=True))

    def __enter__(self) -> Reporter:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, event: str, stage: str, series: SeriesRecord) -> None:
        if event == "ended":
            self._ended(series)
        elif self._progress is not None:
            self._draw(stage, series)
        elif event == "stage":
            facts = {"facts": {"key": series.key, "stage": stage}}
            log.info("%s: %s, %.1f s", self._title(series), stage, series.seconds[stage], extra=facts)

    def _title(self, series: SeriesRecord) -> str:
        return f"series {self._number[series.key]}/{len(self._number)}"

    def _draw(self, stage: str, series: SeriesRecord) -> None:
        assert self._progress is not None  # noqa: S101
        bar = self._bars.get(series.key)
        if bar is None:
            bar = self._bars[series.key] = self._progress.add_task(self._title(series), total=len(STAGES))
        title = f"{self._title(series)}: {stage}"
        self._progress.update(bar, description=title, completed=len(series.seconds))

    def _ended(self, series: SeriesRecord) -> None:
        text = f"{self._title(series)} {series.outcome.value}"
        if series.outcome is not Outcome.DONE:
            text += f": {series.code}: {series.detail}"
        level = logging.ERROR if series.outcome is Outcome.FAILED else logging.INFO
        log.log(level, text, extra={"facts": {"key": series.key, "stage": series.stage}})
