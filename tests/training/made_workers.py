"""Workers that measure nothing, start fast, and can be told to fail or to die."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from training.evaluation.cases import CaseError, Source
from training.evaluation.running import Job, Measure


@dataclass(frozen=True)
class Plan:
    """What the workers do; can be sent to another process.

    Attributes:
        journal: one line a case that was measured.
        deadly: names of cases that kill their process.
        bad: names of cases that are refused.
        limit: measure so many cases and die, as if killed; None never.
        stamp: added to the stamp of the job.
    """

    journal: Path
    deadly: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    limit: int | None = None
    stamp: dict[str, Any] = field(default_factory=dict)

    @property
    def measured(self) -> list[str]:
        return self.journal.read_text().splitlines() if self.journal.is_file() else []


def job(out: Path, plan: Plan) -> Job:
    return Job(out, {"weights": {"contrast_synthesis": "0" * 64}, **plan.stamp}, partial(_opened, plan))


def _opened(plan: Plan) -> Measure:
    return partial(_measure, plan=plan)


def _measure(source: Source, plan: Plan) -> tuple[dict[str, Any], bytes]:
    if source.name in plan.deadly or (plan.limit is not None and len(plan.measured) >= plan.limit):
        os._exit(9)
    if source.name in plan.bad:
        raise CaseError(f"{source.name} cannot be read")
    with plan.journal.open("a") as stream:
        stream.write(f"{source.name}\n")
    return {"facts": {"letters": len(source.name)}}, source.name.encode()
