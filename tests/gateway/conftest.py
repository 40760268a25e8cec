"""Fixtures of the gateway's tests: one Orthanc for most of them, an own one where it is killed."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from orthanc_server import ORTHANC, STORESCU, OrthancServer
from site_kit import Site

NEEDS = "install the Debian packages orthanc and dcmtk"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A worker that is run inside this process sets up logging for all of it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture(scope="session")
def shared_orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    if not ORTHANC.exists() or not STORESCU.exists():
        pytest.skip(f"Orthanc or dcmtk is not here; {NEEDS}")
    server = OrthancServer(tmp_path_factory.mktemp("orthanc"))
    server.start()
    yield server
    server.stop(kill=True)


@pytest.fixture
def orthanc(shared_orthanc: OrthancServer) -> OrthancServer:
    """An Orthanc with nothing in it."""
    shared_orthanc.clear()
    return shared_orthanc


@pytest.fixture
def new_orthanc(
    shared_orthanc: OrthancServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., OrthancServer]]:
    """Makes servers of the test's own, started; arguments as :class:`OrthancServer` after the folder."""
    made: list[OrthancServer] = []

    def make(aet: str = "PULMOMAP", **options: Any) -> OrthancServer:
        made.append(OrthancServer(tmp_path_factory.mktemp("own-orthanc"), aet, **options))
        made[-1].start()
        return made[-1]

    yield make
    for server in made:
        server.stop(kill=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=False).returncode
    if mounted != 0:
        pytest.skip("a small disk can only be mounted by root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture
def site(orthanc: OrthancServer, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    if "small_disk" in request.fixturenames:
        request.getfixturevalue("small_disk")  # so that it is unmounted after the workers have left it
    made = Site(orthanc, tmp_path)
    yield made
    made.close()


@pytest.fixture
def pacs(orthanc: OrthancServer, new_orthanc: Callable[..., OrthancServer]) -> OrthancServer:
    """A PACS that knows the gateway's Orthanc ("spool") and is known to it ("pacs")."""
    server = new_orthanc("PACS", DicomModalities={"spool": [orthanc.aet, "127.0.0.1", orthanc.dicom_port]})
    orthanc.know("pacs", "PACS", server.dicom_port)
    return server
