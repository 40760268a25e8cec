"""A series comes in, its results go out; each thing once."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from dicomweb_client import DICOMwebClient
from made_series import made_series
from orthanc_server import OrthancServer
from site_kit import Site

from gateway.__main__ import main

ONE = {"CT": [3], "SEG": [1], "SR": [1]}


def test_series_sent_by_dicom_is_processed_once(site: Site, tmp_path: Path) -> None:
    files = made_series(tmp_path / "ct")
    assert site.orthanc.send(files) == 0
    (name,) = [one["ID"] for one in site.orthanc.series(Modality="CT")]
    worker = site.worker()
    worker.until(lambda: (site.orthanc.record(name) or {}).get("state") == "done")
    assert site.orthanc.own() == ONE
    (start,) = site.starts()
    record = site.orthanc.record(name)
    assert record is not None
    assert (record["key"], start["files"]) == (start["key"], len(files))
    site.orthanc.await_stable()
    for _ in range(5):
        worker.round()
    assert len(site.starts()) == 1
    assert site.orthanc.own() == ONE
    site.close()
    assert list(site.work.iterdir()) == []


def test_nodules_of_the_study_are_pulled_along(site: Site, tmp_path: Path) -> None:
    """A SEG and an RTSTRUCT of the same study go with the series; a report image and a SEG of another study do not."""
    for number, (modality, study) in enumerate([("SEG", 1), ("RTSTRUCT", 1), ("SC", 1), ("SEG", 2)]):
        site.orthanc.post(made_series(tmp_path / str(number), 10 + number, 1, study=study, Modality=modality))
    name = site.orthanc.post(made_series(tmp_path / "ct", 1))
    worker = site.worker()
    worker.until(lambda: (site.orthanc.record(name) or {}).get("state") == "done")
    assert [one["files"] for one in site.starts()] == [6 + 2]


def test_companions_beyond_the_limit_stay_behind(site: Site, tmp_path: Path) -> None:
    site.settings["limits"] = {"companions": 3}
    site.orthanc.post(made_series(tmp_path / "many", 10, 5, study=1, Modality="SEG"))
    site.orthanc.post(made_series(tmp_path / "few", 11, 2, study=1, Modality="SEG"))
    name = site.orthanc.post(made_series(tmp_path / "ct", 1))
    site.worker().until(lambda: (site.orthanc.record(name) or {}).get("state") == "done")
    assert [one["files"] for one in site.starts()] == [6 + 2]


def test_our_results_are_never_processed(site: Site, pacs: OrthancServer, tmp_path: Path) -> None:
    """A PACS that routes everything it gets back to us: the loop ends at once."""
    site.settings["targets"] = [{"name": "pacs"}]
    name = site.orthanc.post(made_series(tmp_path / "ct"))
    worker = site.worker()
    worker.until(lambda: (site.orthanc.record(name) or {}).get("state") == "done")
    for one in pacs.series():
        pacs.http.post("/modalities/spool/store", json=one["ID"]).raise_for_status()
    site.orthanc.await_stable()
    own = [one["ID"] for one in site.orthanc.series(Manufacturer="PulmoMAP")]
    worker.until(lambda: all((site.orthanc.record(one) or {}).get("state") == "refused" for one in own))
    assert len(site.starts()) == 1
    assert site.orthanc.own() == pacs.own() == ONE


def test_results_are_found_by_dicomweb(new_orthanc: Callable[..., OrthancServer], tmp_path: Path) -> None:
    plugin = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
    if not plugin.exists():
        pytest.skip("Orthanc's DICOMweb plugin is not here; install the Debian package orthanc-dicomweb")
    orthanc = new_orthanc(Plugins=[str(plugin)], DicomWeb={"Enable": True, "Root": "/dicom-web/"})
    site = Site(orthanc, tmp_path)
    name = orthanc.post(made_series(tmp_path / "ct"))
    site.worker().until(lambda: (orthanc.record(name) or {}).get("state") == "done")
    site.close()
    found = DICOMwebClient(f"{orthanc.url}/dicom-web").search_for_series(fields=["Manufacturer"])
    ours = [one for one in found if one.get("00080070", {}).get("Value") == ["PulmoMAP"]]
    assert sorted(one["00080060"]["Value"][0] for one in ours) == ["CT", "SEG", "SR"]


def test_check_and_status_tell_the_truth(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ["-c", str(site.save_settings())]
    site.orthanc.post(made_series(tmp_path / "ct"))
    assert main(["check", *config]) == 0
    assert capsys.readouterr().out == "ready\n"
    assert main(["status", *config]) == 0
    assert json.loads(capsys.readouterr().out)["new"] == 1
    site.settings |= {"targets": [{"name": "nobody"}, {"name": "scanner"}], "app": {"command": ["/nowhere/app"]}}
    config = ["-c", str(site.save_settings())]
    assert main(["check", *config]) == 1
    said = capsys.readouterr().out
    assert "nobody" in said
    assert "/nowhere/app" in said
    assert main(["run", *config]) == 2


def test_orthanc_that_does_not_check_revisions_is_not_worked_on(
    new_orthanc: Callable[..., OrthancServer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without them two workers could take the same job."""
    site = Site(new_orthanc(CheckRevisions=False), tmp_path)
    assert main(["run", "-c", str(site.save_settings())]) == 2
    assert "CheckRevisions" in capsys.readouterr().err


def test_password_is_asked_for_and_taken_from_a_file(
    new_orthanc: Callable[..., OrthancServer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    site = Site(new_orthanc(), tmp_path)
    site.orthanc.stop(kill=True)
    site.orthanc.options |= {"AuthenticationEnabled": True, "RegisteredUsers": {"gateway": "open sesame"}}
    site.orthanc.http.auth = httpx.BasicAuth("gateway", "open sesame")
    site.orthanc.start()
    assert main(["check", "-c", str(site.save_settings())]) == 1
    assert "password" in capsys.readouterr().out
    site.settings["orthanc"] |= {"username": "gateway", "password_file": str(secret)}
    assert main(["check", "-c", str(site.save_settings())]) == 0


def test_two_workers_with_one_health_port_are_told_apart(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        site.settings["health"] = {"port": taken.getsockname()[1]}
        assert main(["run", "-c", str(site.save_settings())]) == 2
    assert "each worker on a machine needs its own" in capfd.readouterr().err


def test_orthanc_that_is_not_there_is_one_sentence(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.settings["orthanc"]["url"] = "http://127.0.0.1:9"
    assert main(["status", "-c", str(site.save_settings())]) == 1
    assert capsys.readouterr().err == "gateway: Orthanc cannot be reached\n"
