"""Which series may need attention: those that Orthanc's change log names, and a sweep for what the log missed.

Orthanc keeps the list of unstable series in memory: one that was arriving while Orthanc was restarted is never
announced as stable. Retries fall due and leases end without any change in Orthanc. The sweep finds them all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from gateway.orthanc import Orthanc
from gateway.sections import DiscoverySettings
from gateway.spool import series_of_study

_PAGE = 1000


class Discovery:
    """Finds series.

    Args:
        orthanc: where.
        settings: how often.
        clock: seconds that only grow.
    """

    def __init__(
        self, orthanc: Orthanc, settings: DiscoverySettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._orthanc, self._settings, self._clock = orthanc, settings, clock
        self._cursor: int | None = None
        self._settled: set[str] = set()
        self._known: set[str] = set()
        self._next_sweep = self._next_full_sweep = 0.0

    def settle(self, series: str) -> None:
        """Leave a series alone until Orthanc's change log names it or the next full sweep comes."""
        self._settled.add(series)

    @property
    def unsettled(self) -> int:
        """How many series wait, run or arrive, as of the last sweep and what was announced since."""
        return len(self._known - self._settled)

    def look_at_all(self) -> None:
        """Let the next look be a full sweep: Orthanc was away and may have forgotten what it had to announce."""
        self._next_full_sweep = 0.0

    def found(self) -> tuple[str, ...]:
        """Orthanc ids of series to look at now, each once, in the order of their arrival where that is known.

        Raises:
            OrthancAway, OrthancRefused.
        """
        named = tuple(self._announced())
        self._settled.difference_update(named)
        self._known.update(named)
        return tuple(dict.fromkeys((*named, *self._swept())))

    def _announced(self) -> Iterator[str]:
        """Series of studies that became stable, and series whose job was changed, since the last look."""
        if self._cursor is None:
            # What happened before this worker started is found by its first sweep.
            self._cursor = int(self._orthanc.get("/changes", last="")["Last"])
            return
        done = False
        while not done:
            answer = self._orthanc.get("/changes", since=self._cursor, limit=_PAGE)
            if answer["Last"] < self._cursor:  # another database
                self._cursor, self._next_full_sweep = int(answer["Last"]), 0.0
                return
            yield from self._series_in(answer["Changes"])
            self._cursor, done = int(answer["Last"]), answer["Done"]

    def _series_in(self, changes: Iterable[dict[str, str]]) -> Iterator[str]:
        for change in changes:
            kind = (change["ChangeType"], change["ResourceType"])
            if kind in (("StableSeries", "Series"), ("UpdatedMetadata", "Series")):
                yield change["ID"]
            elif kind == ("StableStudy", "Study"):
                yield from series_of_study(self._orthanc, change["ID"])

    def _swept(self) -> tuple[str, ...]:
        now = self._clock()
        if now < self._next_sweep and now < self._next_full_sweep:
            return ()
        if now >= self._next_full_sweep:
            self._settled.clear()
            self._next_full_sweep = now + self._settings.full_sweep_s
        self._next_sweep = now + self._settings.sweep_s
        every = self._orthanc.get("/series")
        self._known = set(every)
        self._settled &= self._known
        return tuple(one for one in every if one not in self._settled)
