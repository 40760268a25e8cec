"""The book of jobs in Orthanc: reading, compare-and-swap, claims and leases."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.orthanc import Conflict, Orthanc, OrthancAway
from gateway.record import JobRecord, State, parse_record
from gateway.sections import LeaseSettings

Clock = Callable[[], float]


class ClaimLost(Exception):
    """Another worker has taken the job over, or its series is gone."""


@dataclass(frozen=True)
class Entry:
    """What stands in the book for a series; both None where nothing does."""

    record: JobRecord | None
    etag: str | None


class Ledger:
    """Reads and writes job records.

    A lease has no clock that two machines would have to agree on: it has ended when this worker has seen the record
    unchanged for as long as the lease lasts, by its own clock.

    Args:
        orthanc: where the book is.
        worker: the name of this worker, its alone.
        lease: how long a claim holds.
        clock: seconds that only grow.
    """

    def __init__(self, orthanc: Orthanc, worker: str, lease: LeaseSettings, clock: Clock = time.monotonic) -> None:
        self.worker, self.lease, self.clock = worker, lease, clock
        self._orthanc = orthanc
        self._seen: dict[str, tuple[str, float]] = {}

    def read(self, series: str, *, patient: bool = True) -> Entry:
        """The entry of a series.

        Raises:
            ForeignRecord, OrthancAway, OrthancRefused.
        """
        found = self._orthanc.read_metadata(series, patient=patient)
        return Entry(None, None) if found is None else Entry(parse_record(found[0]), found[1])

    def write(self, series: str, record: JobRecord, etag: str | None, *, patient: bool = True) -> Entry:
        """Replace the entry.

        Raises:
            Conflict: somebody else was first.
            OrthancAway, OrthancRefused.
        """
        try:
            etag = self._orthanc.write_metadata(series, record.model_dump_json(), etag, patient=patient)
        except Conflict:
            # A write whose answer was lost and that was sent again conflicts with itself.
            entry = self.read(series, patient=patient)
            if entry.record is None or entry.record.nonce != record.nonce:
                raise
            return entry
        return Entry(record, etag)

    def is_free(self, series: str, record: JobRecord) -> bool:
        """Whether a job may be claimed now."""
        if record.state is not State.RUNNING:
            self._seen.pop(series, None)
            return record.state is State.WAITING and record.due <= time.time()
        nonce, since = self._seen.get(series, ("", 0.0))
        if nonce != record.nonce:
            self._seen[series] = (record.nonce, self.clock())
            return False
        return self.clock() - since >= self.lease.seconds

    def claim(self, series: str, record: JobRecord, etag: str | None) -> Claim:
        """Take a free job.

        Raises:
            Conflict: somebody else was first.
        """
        taken = record.changed(
            state=State.RUNNING,
            worker=self.worker,
            attempts=record.attempts + (not record.stored),
            forwards=record.forwards + record.stored,
        )
        entry = self.write(series, taken, etag)
        self._seen.pop(series, None)
        return Claim(self, series, taken, entry.etag)


class Claim:
    """A job that this worker holds."""

    def __init__(self, ledger: Ledger, series: str, record: JobRecord, etag: str | None) -> None:
        self.series, self.record = series, record
        self._ledger, self._etag = ledger, etag
        self._renewed = ledger.clock()

    def keep(self) -> None:
        """Renew the lease if it is time to. While Orthanc is away nobody else can take the job either.

        Raises:
            ClaimLost.
        """
        if self._ledger.clock() - self._renewed < self._ledger.lease.heartbeat_s:
            return
        try:
            self._write(self.record.changed(), patient=False)
        except OrthancAway:
            return

    def update(self, record: JobRecord) -> None:
        """Write a new state of the job, still held.

        Raises:
            ClaimLost.
        """
        self._write(record, patient=True)

    def end(self, state: State, **changes: object) -> None:
        """Write the last state of the job and let it go. Raises :class:`ClaimLost`."""
        self._write(self.record.changed(state=state, worker="", **changes), patient=True)

    def _write(self, record: JobRecord, *, patient: bool) -> None:
        try:
            entry = self._ledger.write(self.series, record, self._etag, patient=patient)
        except Conflict:
            entry = self._ledger.read(self.series, patient=patient)
            if entry.record is None or entry.record.worker != self._ledger.worker:
                raise ClaimLost from None
            entry = self._ledger.write(self.series, record, entry.etag, patient=patient)
        self.record, self._etag, self._renewed = record, entry.etag, self._ledger.clock()
