"""Claims on a real Orthanc: whoever is first has the job, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from made_series import made_series
from orthanc_server import OrthancServer

from gateway.ledger import Claim, ClaimLost, Ledger
from gateway.orthanc import Conflict, Orthanc
from gateway.record import ForeignRecord, JobRecord, State
from gateway.sections import LeaseSettings, OrthancSettings

LEASE = LeaseSettings(seconds=30, heartbeat_s=10)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def client(orthanc: OrthancServer) -> Iterator[Orthanc]:
    made = Orthanc(OrthancSettings(url=orthanc.url, patience_s=0))
    yield made
    made.close()


@pytest.fixture
def series(orthanc: OrthancServer, tmp_path: Path) -> str:
    return orthanc.post(made_series(tmp_path / "ct", slices=2))


def take(ledger: Ledger, series: str) -> Claim | None:
    entry = ledger.read(series)
    record = entry.record or JobRecord(state=State.WAITING, key="0" * 16)
    if not ledger.is_free(series, record):
        return None
    try:
        return ledger.claim(series, record, entry.etag)
    except Conflict:
        return None


@pytest.mark.parametrize("known", [False, True])
def test_of_many_at_once_one_gets_it(orthanc: OrthancServer, client: Orthanc, series: str, known: bool) -> None:
    if known:
        Ledger(client, "first", LEASE).write(series, JobRecord(state=State.WAITING, key="0" * 16), None)
    clients = [Orthanc(OrthancSettings(url=orthanc.url, patience_s=0)) for _ in range(12)]
    ledgers = [Ledger(one, f"worker {n}", LEASE) for n, one in enumerate(clients)]
    entries = [ledger.read(series) for ledger in ledgers]

    def claim(number: int) -> Claim | None:
        record = entries[number].record or JobRecord(state=State.WAITING, key="0" * 16)
        try:
            return ledgers[number].claim(series, record, entries[number].etag)
        except Conflict:
            return None

    with ThreadPoolExecutor(len(ledgers)) as pool:
        (winner,) = [one for one in pool.map(claim, range(len(ledgers))) if one is not None]
    record = ledgers[0].read(series).record
    assert record is not None
    assert (record.nonce, record.attempts) == (winner.record.nonce, 1)
    for one in clients:
        one.close()


def test_lease_ends_only_without_a_sign_of_life(client: Orthanc, series: str) -> None:
    his, ours = Clock(), Clock()
    he, we = Ledger(client, "he", LEASE, his), Ledger(client, "we", LEASE, ours)
    claim = take(he, series)
    assert claim is not None
    for _ in range(5):  # he lives: every look finds another nonce
        his.now += 11
        claim.keep()
        ours.now += 29
        assert take(we, series) is None
    ours.now += 29
    assert take(we, series) is None
    ours.now += 2  # 31 s without a change
    taken = take(we, series)
    assert taken is not None
    assert taken.record.attempts == 2
    his.now += 11
    with pytest.raises(ClaimLost):
        claim.keep()
    with pytest.raises(ClaimLost):
        claim.end(State.DONE)
    record = we.read(series).record
    assert record is not None
    assert record.worker == "we"


def test_write_whose_answer_was_lost_counts(client: Orthanc, series: str) -> None:
    """The first write reaches Orthanc, its answer does not; sending it again must not lose the job."""
    ledger = Ledger(client, "we", LEASE, Clock())
    claim = take(ledger, series)
    assert claim is not None
    lost = claim.record.changed()
    ledger.write(series, lost, ledger.read(series).etag)
    claim.update(claim.record.changed(code="X"))
    record = ledger.read(series).record
    assert record is not None
    assert record.code == "X"
    again = ledger.write(series, record, '"0-00000000000000000000000000000000"')
    assert again.record == record


def test_claim_on_a_deleted_series_is_lost(orthanc: OrthancServer, client: Orthanc, series: str) -> None:
    claim = take(Ledger(client, "we", LEASE), series)
    assert claim is not None
    orthanc.clear()
    with pytest.raises(ClaimLost):
        claim.end(State.DONE)


def test_keep_outlives_an_orthanc_that_is_away(client: Orthanc, series: str) -> None:
    clock = Clock()
    claim = take(Ledger(client, "we", LEASE, clock), series)
    assert claim is not None
    before = claim.record
    client._http.base_url = "http://127.0.0.1:9"  # nobody there
    clock.now += 1000
    claim.keep()
    assert claim.record == before


def test_foreign_metadata_are_left_alone(orthanc: OrthancServer, client: Orthanc, series: str) -> None:
    orthanc.http.put(f"/series/{series}/metadata/5200", content='{"version": 2}').raise_for_status()
    with pytest.raises(ForeignRecord):
        Ledger(client, "we", LEASE).read(series)
