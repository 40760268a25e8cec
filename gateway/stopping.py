"""How a worker is asked to stop, and how long it may still take."""

from __future__ import annotations

import threading
import time

from gateway.faults import Stopped


class Stop:
    """The wish to stop, and the grace that a running job has from then on."""

    def __init__(self, grace_s: float) -> None:
        self._event, self._grace_s, self._deadline = threading.Event(), grace_s, 0.0

    def ask(self, *_: object) -> None:
        """From a signal handler or another thread."""
        if not self._event.is_set():
            self._deadline = time.monotonic() + self._grace_s
            self._event.set()

    @property
    def asked(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise :class:`Stopped` once the grace has ended."""
        if self._event.is_set() and time.monotonic() >= self._deadline:
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Sleep; raise :class:`Stopped` as soon as the grace has ended."""
        end = time.monotonic() + seconds
        if self._event.wait(seconds):
            time.sleep(max(0.0, min(end, self._deadline) - time.monotonic()))
        self.check()

    def idle(self, seconds: float) -> None:
        """Sleep with nothing to finish: ends as soon as stopping is asked for."""
        self._event.wait(seconds)
