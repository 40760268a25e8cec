"""A container engine for the time of a check: the one that runs, or one started here and stopped at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 60


class NoEngineError(RuntimeError):
    """No container engine can be had here; one sentence says why."""


class DockerError(RuntimeError):
    """A docker command failed; its command and last words are in the message."""


def docker(*arguments: str, stdin: str | None = None, timeout: float = 1800) -> str:
    """Run docker and return its standard output.

    Raises:
        DockerError: with the end of standard error.
    """
    done = subprocess.run(
        ["docker", *arguments], input=stdin, capture_output=True, text=True, timeout=timeout, check=False
    )
    if done.returncode:
        raise DockerError(
            f"docker {' '.join(arguments[:3])} ... exited {done.returncode}: {done.stderr.strip()[-2000:]}"
        )
    return done.stdout


def answers() -> bool:
    """Whether an engine answers."""
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


@contextmanager
def engine(*options: str) -> Iterator[None]:
    """Hold an engine. ``dockerd`` is started with ``options`` only where none answers, and then stopped again.

    Raises:
        NoEngineError: docker or buildx is missing, or the daemon cannot be started here.
    """
    if shutil.which("docker") is None:
        raise NoEngineError("docker is not installed")
    if subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode:
        raise NoEngineError("docker buildx is not installed (on Debian 12: .ci/engine)")
    if answers():
        yield
        return
    if shutil.which("dockerd") is None or os.geteuid() != 0:
        raise NoEngineError("no docker daemon answers, and one can only be started by root where dockerd is installed")
    with tempfile.TemporaryDirectory(prefix="dockerd-") as folder, Path(folder, "log").open("w+") as log:
        daemon = subprocess.Popen(["dockerd", *options], stdout=log, stderr=log, start_new_session=True)
        try:
            _wait(daemon, Path(log.name))
            yield
        finally:
            daemon.terminate()
            daemon.wait()


def _wait(daemon: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(2 * START_SECONDS):
        if answers():
            return
        if daemon.poll() is not None:
            break
        time.sleep(0.5)
    last = (log.read_text().strip().splitlines() or ["no word"])[-1]
    raise NoEngineError(f"dockerd does not come up here: {last}")
