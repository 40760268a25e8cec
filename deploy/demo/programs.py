"""Programs of the demonstration: find, start, wait for, stop."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

SBIN = ("/usr/sbin", "/usr/local/sbin", "/sbin")


class ProgramError(RuntimeError):
    """A program is missing or stopped: one sentence says which, and where its log is."""


def find_program(name: str, package: str, *preferred: str) -> str:
    """Return a program's path, looking where ordinary users' PATH does not.

    Args:
        name: the program.
        package: the Debian package that has it, for the message.
        preferred: full paths that are taken first, where another program of the same name may hide the right one.
    """
    for path in preferred:
        if Path(path).is_file():
            return path
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *SBIN]))
    if found is None:
        raise ProgramError(f"{name} is not installed (Debian and Ubuntu: the package {package})")
    return found


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Program:
    """A running program with its own log file; leaving the context stops it."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C reaches the demonstration only, which stops the programs in order.
            self._process = subprocess.Popen(
                list(command),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def check(self) -> None:
        """Raise ProgramError if the program has ended."""
        code = self._process.poll()
        if code is not None:
            last = (self.log.read_text(errors="replace").strip().splitlines() or ["nothing"])[-1]
            raise ProgramError(f"{self.name} ended with {code}; its log {self.log} says at last: {last}")

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float) -> None:
        """Return when ready() is true; raise ProgramError if the program ends or the time is over."""
        end = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > end:
                raise ProgramError(f"{self.name}: no {what} after {seconds:.0f} s; see {self.log}")
            time.sleep(0.2)

    def stop(self, grace: float = 20.0) -> None:
        """Ask the program to end, and make it end after the grace, s."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(grace)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def listens(port: int) -> bool:
    """Say whether something on loopback takes connections on this port."""
    with socket.socket() as caller:
        caller.settimeout(1)
        return caller.connect_ex(("127.0.0.1", port)) == 0
