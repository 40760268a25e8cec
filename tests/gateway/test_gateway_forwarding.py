"""Results reach their targets, once, whatever the targets do meanwhile."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_series import made_series
from orthanc_server import DCMQRSCP, OrthancServer, free_port
from pydicom import dcmread
from site_kit import Site, results_at


@pytest.fixture
def dcmqrscp(orthanc: OrthancServer, tmp_path: Path) -> Iterator[Path]:
    """A second, stricter PACS: the folder where it keeps its files."""
    if not DCMQRSCP.exists():
        pytest.skip("dcmqrscp is not here; install the Debian package dcmtk")
    storage, port = tmp_path / "dcmqrscp", free_port()
    storage.mkdir()
    config = tmp_path / "dcmqrscp.cfg"
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nSTRICT {storage} RW (200, 1024mb) ANY\nAETable END\n"
    )
    server = subprocess.Popen([str(DCMQRSCP), "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    orthanc.know("strict", "STRICT", port)
    yield storage
    server.terminate()
    server.wait(10)


def test_results_are_forwarded_and_committed(site: Site, pacs: OrthancServer, tmp_path: Path) -> None:
    site.settings["targets"] = [{"name": "pacs", "commitment": True, "commitment_timeout_s": 20}]
    name = site.orthanc.post(made_series(tmp_path / "ct"))
    site.worker().until(lambda: (site.orthanc.record(name) or {}).get("state") == "done")
    assert pacs.own() == {"CT": [3], "SEG": [1], "SR": [1]}
    assert len(pacs.series()) == 3, "the source is not ours to send"


def test_a_target_gets_only_what_it_is_meant_to_get(site: Site, pacs: OrthancServer, tmp_path: Path) -> None:
    site.settings["targets"] = [{"name": "pacs", "modalities": ["SR"]}]
    name = site.orthanc.post(made_series(tmp_path / "ct"))
    site.worker().until(lambda: (site.orthanc.record(name) or {}).get("state") == "done")
    assert pacs.own() == {"SR": [1]}


def test_results_reach_dcmqrscp(site: Site, dcmqrscp: Path, tmp_path: Path) -> None:
    site.settings["targets"] = [{"name": "strict"}]
    name = site.orthanc.post(made_series(tmp_path / "ct"))
    site.worker().until(lambda: (site.orthanc.record(name) or {}).get("state") == "done")
    kept = [dcmread(path) for path in dcmqrscp.iterdir() if path.name != "index.dat"]
    assert sorted(one.Modality for one in kept) == ["CT", "CT", "CT", "SEG", "SR"]
    assert len({one.SOPInstanceUID for one in kept}) == 5


def test_target_that_is_down_for_a_while(site: Site, pacs: OrthancServer, tmp_path: Path) -> None:
    """Results wait; the app is not run again; another target gets its own meanwhile."""
    site.settings["targets"] = [{"name": "pacs"}]
    pacs.stop(kill=True)
    name = site.orthanc.post(made_series(tmp_path / "ct"))
    worker = site.worker()
    worker.until(lambda: (site.orthanc.record(name) or {}).get("forwards", 0) >= 3)
    record = site.orthanc.record(name)
    assert record is not None
    assert (record["code"], record["stored"]) == ("TARGET_FAILED", True)
    assert results_at(site.orthanc) == 5
    pacs.start()
    worker.until(lambda: (site.orthanc.record(name) or {}).get("state") == "done")
    assert len(site.starts()) == 1
    assert results_at(pacs) == 5


def test_one_target_down_does_not_hold_up_another(site: Site, pacs: OrthancServer, tmp_path: Path) -> None:
    site.orthanc.know("dark", "DARK", free_port())
    site.settings["targets"] = [{"name": "dark"}, {"name": "pacs"}]
    site.settings["forwarding"] = {"attempts": 2, "first_s": 0.1, "longest_s": 0.1}
    name = site.orthanc.post(made_series(tmp_path / "ct"))
    site.worker().until(lambda: (site.orthanc.record(name) or {}).get("state") == "dead")
    record = site.orthanc.record(name)
    assert record is not None
    assert (record["code"], record["sent"]) == ("TARGET_FAILED", ["pacs"])
    assert "dark" in record["detail"]
    assert results_at(pacs) == 5


def test_target_that_does_not_commit(site: Site, dcmqrscp: Path, tmp_path: Path) -> None:
    """dcmqrscp takes objects but knows no storage commitment: the job is not called done."""
    site.settings["targets"] = [{"name": "strict", "commitment": True, "commitment_timeout_s": 1}]
    site.settings["forwarding"] = {"attempts": 2, "first_s": 0.1, "longest_s": 0.1}
    name = site.orthanc.post(made_series(tmp_path / "ct"))
    site.worker().until(lambda: (site.orthanc.record(name) or {}).get("state") == "dead")
    assert (site.orthanc.record(name) or {})["sent"] == []
    assert len(list(dcmqrscp.glob("*"))) >= 5


def test_results_that_vanish_before_they_are_sent_are_made_again(
    site: Site, pacs: OrthancServer, tmp_path: Path
) -> None:
    site.settings["targets"] = [{"name": "pacs"}]
    pacs.stop(kill=True)
    name = site.orthanc.post(made_series(tmp_path / "ct"))
    worker = site.worker()
    worker.until(lambda: (site.orthanc.record(name) or {}).get("forwards", 0) >= 1)
    for one in site.orthanc.series(Modality="SEG"):
        site.orthanc.http.delete(f"/series/{one['ID']}")
    pacs.start()
    worker.until(lambda: (site.orthanc.record(name) or {}).get("state") == "done")
    assert len(site.starts()) == 2
    assert results_at(site.orthanc) == results_at(pacs) == 5
