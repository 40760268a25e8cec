"""Case after case, in one process or several: resumable, and a bad case never stops the others.

Each case has one JSON file and one picture in ``cases/``, written when it is measured. A file whose stamp (the case's
files, the weights, the settings) is that of this run is taken as it is, so a killed run goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulmomap.refusals import Refused
from pulmomap.staging import write_atomically
from training.evaluation.cases import CaseError, Source, fingerprint
from training.registering import PairError
from training.store import StoreError

CASES = "cases"
FORMAT = 2
"""Of a case's file; raised when figures are added or change their meaning."""

Measure = Callable[[Source], tuple[dict[str, Any], bytes]]
"""Measures one case: the content of its file, and its picture (WebP)."""


@dataclass(frozen=True)
class Job:
    """What every worker needs; can be sent to another process.

    Attributes:
        out: the output folder.
        stamp: what decides the figures beside the case itself: weights and settings.
        prepare: opens the networks, once a process.
    """

    out: Path
    stamp: Mapping[str, Any]
    prepare: Callable[[], Measure]


@dataclass(frozen=True)
class Done:
    """How a case ended: ``error`` is one sentence, or None where it was measured; ``kept`` from an earlier run."""

    name: str
    error: str | None = None
    kept: bool = False


def result_path(out: Path, name: str) -> Path:
    """Where the figures of a case lie."""
    return out / CASES / f"{name}.json"


def picture_path(out: Path, name: str) -> Path:
    """Where the picture of a case lies."""
    return out / CASES / f"{name}.webp"


def run_cases(sources: list[Source], job: Job, jobs: int) -> Iterator[Done]:
    """Measure every case that has no valid result yet; yields each as it ends.

    Args:
        sources: the cases.
        job: what to do with them.
        jobs: processes; with one the cases are measured in this process.
    """
    (job.out / CASES).mkdir(parents=True, exist_ok=True)
    waiting = []
    for source in sources:
        if is_current(source, job):
            yield Done(source.name, kept=True)
        else:
            waiting.append(source)
    if jobs == 1:
        yield from _here(waiting, job)
    else:
        from training.evaluation.workers import measure_in_workers

        yield from measure_in_workers(waiting, job, jobs)


def is_current(source: Source, job: Job) -> bool:
    """Whether the case's file is there, whole, and of the same case, weights and settings."""
    try:
        content = json.loads(result_path(job.out, source.name).read_text(encoding="utf-8"))
        return bool(content["stamp"] == _stamp(source, job)) and picture_path(job.out, source.name).is_file()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def measure_case(source: Source, job: Job, measure: Measure) -> Done:
    """Measure one case and keep the result; a bad case is an answer, not an exception."""
    try:
        stamp = _stamp(source, job)
        content, picture = measure(source)
        write_atomically(picture_path(job.out, source.name), picture)
        text = json.dumps({"case": source.name, "stamp": stamp, **content}, indent=1, allow_nan=False)
        write_atomically(result_path(job.out, source.name), text.encode() + b"\n")
    except (CaseError, PairError, StoreError, Refused) as error:
        return Done(source.name, str(error))
    except Exception as error:  # whatever a case provokes, the others go on; the type says that it was not foreseen
        return Done(source.name, f"{type(error).__name__}: {error}")
    return Done(source.name)


def _stamp(source: Source, job: Job) -> dict[str, Any]:
    return {"format": FORMAT, "files": fingerprint(source), **job.stamp}


def _here(sources: list[Source], job: Job) -> Iterator[Done]:
    if sources:
        measure = job.prepare()
        yield from (measure_case(source, job, measure) for source in sources)
