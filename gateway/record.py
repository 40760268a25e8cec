"""The state of a job, as it stands in the metadata of its series in Orthanc."""

from __future__ import annotations

import secrets
import time
from enum import Enum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class State(str, Enum):
    """Where a job is. Whether its results are stored already is ``JobRecord.stored``."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    DEAD = "dead"


TERMINAL = frozenset({State.DONE, State.REFUSED, State.DEAD})


class ResultSeries(BaseModel):
    """One DICOM series of results: its UID, modality and number of instances."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uid: str
    modality: str
    instances: int


class JobRecord(BaseModel):
    """One job: a series in the extent that it had when it was looked at.

    Attributes:
        version: of this layout.
        state: where it is.
        key: 16 hexadecimal digits: the series UID and the set of its SOP instance UIDs.
        attempts: how often the app was started, or about to be, for this key.
        forwards: how often results were sent, or about to be, for this key.
        due: not before this moment, seconds since 1970.
        worker: who runs it; "" if nobody.
        nonce: another one in every write. ETags are hashes with some indices, and leases watch for change.
        code, detail: the last fault or refusal.
        results: the results, planned or stored.
        stored: all of ``results`` are in Orthanc.
        superseded: UIDs of result series that go as soon as ``results`` are in.
        sent: names of the targets that have the results.
        updated: moment of this write, seconds since 1970.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    state: State
    key: str
    attempts: int = 0
    forwards: int = 0
    due: float = 0.0
    worker: str = ""
    nonce: str = Field(default_factory=lambda: secrets.token_hex(8))
    code: str = ""
    detail: str = ""
    results: tuple[ResultSeries, ...] = ()
    stored: bool = False
    superseded: tuple[str, ...] = ()
    sent: tuple[str, ...] = ()
    updated: float = Field(default_factory=time.time)

    def changed(self, **changes: object) -> JobRecord:
        """A copy with these changes, a new nonce and the present moment."""
        return JobRecord.model_validate(
            {**dict(self), "nonce": secrets.token_hex(8), "updated": time.time(), **changes}
        )

    def regrown(self, key: str) -> JobRecord:
        """The job of the same series with another set of instances: what the old set gave is superseded."""
        old = (*self.superseded, *(one.uid for one in self.results))
        return JobRecord(state=State.WAITING, key=key, superseded=tuple(dict.fromkeys(old)))

    def planning(self, results: tuple[ResultSeries, ...]) -> JobRecord:
        """Announce results before the first is stored, so that a killed worker's half is known to its successor."""
        kept = {one.uid for one in results}
        old = (*self.superseded, *(one.uid for one in self.results))
        superseded = tuple(uid for uid in dict.fromkeys(old) if uid not in kept)
        return self.changed(results=results, superseded=superseded, stored=False, sent=())


class ForeignRecord(Exception):
    """The metadata hold something that this version did not write."""


def parse_record(text: str) -> JobRecord:
    """Read a record.

    Raises:
        ForeignRecord: one sentence.
    """
    try:
        return JobRecord.model_validate_json(text)
    except ValidationError:
        raise ForeignRecord(
            "the series' metadata were not written by this version of the gateway; delete them or choose another number"
        ) from None
