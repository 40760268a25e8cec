"""``manifest.json``: the truth about a run, always written."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from operators.record import Outcome, SeriesRecord
from pulmomap import __version__
from pulmomap.staging import write_atomically

DONE, FAILED, USAGE, NOTHING_SUITABLE = 0, 1, 2, 3


def exit_code(series: list[SeriesRecord]) -> int:
    """The exit code that tells the truth about these series."""
    outcomes = {one.outcome for one in series}
    if outcomes & {Outcome.FAILED, Outcome.PENDING}:
        return FAILED
    return DONE if Outcome.DONE in outcomes else NOTHING_SUITABLE


class Manifest:
    """Writes the manifest of one run.

    Args:
        output: the output folder.
    """

    def __init__(self, output: Path) -> None:
        self._path = output / "manifest.json"
        self._begin = time.time()

    def write(self, state: str, series: list[SeriesRecord], code: int | None, **facts: Any) -> None:
        """Replace the manifest.

        Args:
            state: "running" or "finished". A manifest that says "running" without a living run was killed.
            series: every series seen.
            code: the exit code, once known.
            facts: further entries of the top level.
        """
        content = {
            "manifest_version": 1,
            "application": "PulmoMAP",
            "version": __version__,
            "state": state,
            "exit_code": code,
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._begin)),
            "seconds": round(time.time() - self._begin, 2),
            **facts,
            "series": [one.as_dict() for one in series],
        }
        write_atomically(self._path, json.dumps(content, indent=2).encode())
