"""The claims on Orthanc's other index: with PostgreSQL, as deploy/compose.yaml runs it, an ETag is made differently."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from deploy_site import missing
from made_series import made_series
from orthanc_server import OrthancServer, free_port
from site_kit import Site

from deploy.secrets import postgresql_settings
from gateway.ledger import Ledger
from gateway.orthanc import Conflict, Orthanc
from gateway.record import JobRecord, State
from gateway.sections import LeaseSettings, OrthancSettings

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancPostgreSQLIndex.so")
LEASE = LeaseSettings(seconds=30, heartbeat_s=10)
PASSWORD = "of-the-test"  # noqa: S105  (of a server that lives as long as the test)


def as_nobody() -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []


@pytest.fixture(scope="module")
def postgresql() -> Iterator[dict[str, Any]]:
    """A PostgreSQL server on loopback: Orthanc's settings for it, those of deploy/ but for address and password."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs or not PLUGIN.exists():
        missing("PostgreSQL or Orthanc's plugin for it is not here; install postgresql and orthanc-postgresql")
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="postgresql-"))  # nobody may not enter pytest's folders
    try:
        (folder / "password").write_text(PASSWORD)
        if as_nobody():
            for path in (folder, folder / "password"):
                shutil.chown(path, "nobody")
        access = ["--auth=scram-sha-256", "--username=orthanc", f"--pwfile={folder / 'password'}", "--no-sync"]
        initdb = [*as_nobody(), str(programs[-1] / "initdb"), *access, "-D", str(folder / "data")]
        subprocess.run(initdb, check=True, capture_output=True, cwd="/")
        command = [
            str(programs[-1] / "postgres"),
            "-F",
            "-D",
            str(folder / "data"),
            "-k",
            str(folder),
            "-h",
            "127.0.0.1",
        ]
        server = subprocess.Popen(
            [*as_nobody(), *command, "-p", str(port)], cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        address = ["-h", "127.0.0.1", "-p", str(port), "-U", "orthanc"]
        for _ in range(600):
            made = subprocess.run(
                [str(programs[-1] / "createdb"), *address, "orthanc"],
                env={**os.environ, "PGPASSWORD": PASSWORD},
                capture_output=True,
                check=False,
            )
            if made.returncode == 0:
                break
            assert server.poll() is None
            time.sleep(0.1)
        yield {**postgresql_settings(PASSWORD), "Host": "127.0.0.1", "Port": port}
        server.terminate()
        server.wait(30)
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def spool(postgresql: dict[str, Any], new_orthanc: Callable[..., OrthancServer]) -> OrthancServer:
    return new_orthanc(Plugins=[str(PLUGIN)], PostgreSQL=postgresql)


def test_of_many_at_once_one_gets_it(spool: OrthancServer, tmp_path: Path) -> None:
    """Whether the series has a record already or not; and the same record is never written on top of another."""
    series = spool.post(made_series(tmp_path / "ct", slices=2))
    clients = [Orthanc(OrthancSettings(url=spool.url, patience_s=0)) for _ in range(8)]
    ledgers = [Ledger(one, f"worker {n}", LEASE) for n, one in enumerate(clients)]

    def claim(number: int) -> bool:
        entry = entries[number]
        try:
            ledgers[number].claim(series, entry.record or JobRecord(state=State.WAITING, key="0" * 16), entry.etag)
        except Conflict:
            return False
        return True

    for attempts in (1, 2, 3):
        entries = [ledger.read(series) for ledger in ledgers]
        with ThreadPoolExecutor(len(ledgers)) as pool:
            assert sum(pool.map(claim, range(len(ledgers)))) == 1
        record = ledgers[0].read(series).record
        assert record is not None
        assert record.attempts == attempts
    for one in clients:
        one.close()


def test_two_workers_share_the_work(spool: OrthancServer, tmp_path: Path) -> None:
    """One is killed on the way; nothing is lost, nothing doubled."""
    site = Site(spool, tmp_path)
    site.behave(seconds=0.3)
    names = [spool.post(made_series(tmp_path / f"ct{n}", n)) for n in range(4)]
    workers = [site.start_worker(tmp_path / f"log{n}") for n in range(2)]
    while not site.starts():
        time.sleep(0.05)
    workers[0].kill()
    for _ in range(600):
        if all((spool.record(name) or {}).get("state") == "done" for name in names):
            break
        time.sleep(0.1)
    for worker in workers:
        worker.terminate()
        worker.wait(30)
    assert spool.own() == {"CT": [3] * 4, "SEG": [1] * 4, "SR": [1] * 4}
    assert {(spool.record(name) or {}).get("state") for name in names} == {"done"}
