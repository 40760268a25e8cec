"""The app as a program of its own: started, watched, and killed with everything it started."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from gateway.faults import Fault, JobError
from gateway.sections import ROOT, AppSettings
from gateway.settings import PREFIX

_LOOK_S = 0.1
_TERM_GRACE_S = 5.0
_PR_SET_PDEATHSIG = 1
_PRCTL = ctypes.CDLL(None).prctl  # found before any fork: the child may only call it


def run_app(
    settings: AppSettings,
    source: Path,
    results: Path,
    keep: Callable[[], None],
    output: Path,
) -> int:
    """Run the app on a folder and return its exit code.

    Args:
        settings: the command and its time limit.
        source: folder with the DICOM files.
        results: folder for the results.
        keep: called several times a second; what it raises ends the app.
        output: file for what the app writes to standard output and standard error.

    Raises:
        JobError: APP_NOT_FOUND or APP_TIMEOUT.
        Exception: whatever ``keep`` raises.
    """
    command = fill_in(settings, source, results)
    deadline = time.monotonic() + settings.timeout_s
    try:
        with output.open("wb") as stream:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=_environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
    except OSError as error:
        raise JobError(Fault.APP_NOT_FOUND, f"{command[0]} cannot be started: {error.strerror}") from None
    try:
        while process.poll() is None:
            if time.monotonic() > deadline:
                raise JobError(Fault.APP_TIMEOUT, f"the app ran longer than {settings.timeout_s:g} s and was killed")
            keep()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_S)
    finally:
        kill_group(process)
    return process.returncode


def fill_in(settings: AppSettings, source: Path, results: Path) -> list[str]:
    """The command with its places filled in."""
    places = {
        "{python}": sys.executable,
        "{input}": str(source),
        "{output}": str(results),
        "{models}": str(settings.models),
        "{config}": str(settings.config),
    }
    return [_fill(word, places) for word in settings.command]


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started: politely, then for good."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TERM_GRACE_S)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _fill(word: str, places: Mapping[str, str]) -> str:
    for place, value in places.items():
        word = word.replace(place, value)
    return word


def _environment(present: Mapping[str, str]) -> dict[str, str]:
    """The app's environment: without the gateway's settings, which hold its password."""
    return {name: value for name, value in present.items() if not name.upper().startswith(PREFIX)}


def _die_with_parent() -> None:
    """In the child: a worker that is killed must not leave an app behind that fills the GPU (Linux, prctl(2))."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)
