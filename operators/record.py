"""What happened to every series: the one truth behind the manifest, the exit code and the progress display."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pulmomap.refusals import Flag, Refused


class Outcome(str, Enum):
    """The fate of a series."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass
class SeriesRecord:
    """One line of the manifest.

    Attributes:
        key: the job's identity and the name of its output folder; empty for a series that never became a job.
        code: the refusal's name, or the class of the error.
        detail: one sentence: what, where, what to do.
        seconds: wall time by stage.
        peak_mib: highest resident memory of the process when a stage ended, by stage.
        outputs: files relative to the output folder.
    """

    series_uid: str
    study_uid: str
    key: str = ""
    outcome: Outcome = Outcome.PENDING
    stage: str = ""
    code: str = ""
    detail: str = ""
    flags: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    models: dict[str, dict[str, str]] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_mib: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "outcome": self.outcome.value}


Listener = Callable[[str, str, SeriesRecord], None]


class RunRecord:
    """Thread-safe record of a run; operators write to it, the app reads it.

    Args:
        listener: called with an event ("started", "stage", "noted", "ended"), the stage and the series' record.
    """

    def __init__(self, listener: Listener | None = None) -> None:
        self._lock = threading.RLock()
        self._series: dict[str, SeriesRecord] = {}
        self._rejected: list[SeriesRecord] = []
        self._listener: Listener = listener or (lambda event, stage, series: None)

    def add(self, key: str, series_uid: str, study_uid: str) -> None:
        """A series that will be processed."""
        with self._lock:
            self._series[key] = SeriesRecord(series_uid, study_uid, key)

    def add_rejected(self, series_uid: str, study_uid: str, code: str, detail: str) -> None:
        """A series that the selection rules did not let pass."""
        with self._lock:
            self._rejected.append(
                SeriesRecord(
                    series_uid, study_uid, outcome=Outcome.REFUSED, stage="selection", code=code, detail=detail
                )
            )

    @contextmanager
    def stage(self, key: str, name: str) -> Iterator[None]:
        """Time a stage and turn what it raises into the series' fate. Never lets an exception out."""
        begin = time.perf_counter()
        self._notify(key, "started", name)
        try:
            yield
        except Refused as refusal:
            self._end(key, Outcome.REFUSED, name, refusal.code.name, refusal.detail)
        except Exception as error:
            self._end(key, Outcome.FAILED, name, type(error).__name__, _sentence(error))
        finally:
            with self._lock:
                series = self._series[key]
                series.seconds[name] = round(series.seconds.get(name, 0.0) + time.perf_counter() - begin, 3)
                series.peak_mib[name] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            self._notify(key, "stage", name)

    def note(self, key: str, flags: tuple[Flag, ...], notes: tuple[str, ...]) -> None:
        """Facts that a person must know about a series."""
        self._update(key, "noted", flags=[flag.name for flag in flags], notes=list(notes))

    def model(self, key: str, role: str, name: str, version: str, digest: str) -> None:
        """Which network took part."""
        with self._lock:
            self._series[key].models[role] = {"name": name, "version": version, "sha256": digest}

    def done(self, key: str, outputs: list[str]) -> None:
        """All results of the series stand under their final names."""
        with self._lock:
            self._series[key].outputs = outputs
        self._end(key, Outcome.DONE, "publish", "", "")

    def interrupt(self, code: str, detail: str) -> None:
        """The graph ended early: whatever is pending has failed."""
        with self._lock:
            for series in self._series.values():
                if series.outcome is Outcome.PENDING:
                    series.outcome, series.code, series.detail = Outcome.FAILED, code, detail

    def series(self) -> list[SeriesRecord]:
        """Every series, processed ones first, in the order of the input."""
        with self._lock:
            return [*self._series.values(), *self._rejected]

    def _end(self, key: str, outcome: Outcome, stage: str, code: str, detail: str) -> None:
        with self._lock:
            # The first reason counts: writers run side by side, and a second failure only hides the first.
            if self._series[key].outcome is not Outcome.PENDING:
                return
        self._update(key, "ended", outcome=outcome, stage=stage, code=code, detail=detail)

    def _update(self, key: str, event: str, **changes: Any) -> None:
        with self._lock:
            series = self._series[key]
            for name, value in changes.items():
                setattr(series, name, value)
        self._listener(event, series.stage, series)

    def _notify(self, key: str, event: str, stage: str) -> None:
        """Tell the listener about a stage. Writers run side by side: which one it is cannot be read off the series."""
        with self._lock:
            series = self._series[key]
            if event == "started" and series.outcome is Outcome.PENDING:
                series.stage = stage
        self._listener(event, stage, series)


def _sentence(error: Exception) -> str:
    """An error's own words on one line; where it broke is in the debug log."""
    text = " ".join(str(error).split()) or "no message"
    return f"{text[:300]} (unexpected; run with -l DEBUG and report it)"
