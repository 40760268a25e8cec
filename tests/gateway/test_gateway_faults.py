"""Whatever goes wrong with one series: it is named, counted, and the next series is processed all the same."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_series import made_series
from orthanc_server import OrthancServer
from pydicom import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian
from site_kit import Site, results_at

from gateway.__main__ import main
from gateway.deflated import unpacked_size

ENDS = ("done", "refused", "dead")
ONE = {"CT": [3], "SEG": [1], "SR": [1]}


def ends_as(site: Site, name: str, state: str) -> dict[str, Any]:
    """Run a worker until the series' job is in this state, and return its record."""
    site.worker().until(lambda: (site.orthanc.record(name) or {}).get("state") == state)
    site.close()
    return site.orthanc.record(name) or {}


def test_failing_app_goes_to_the_dead_letters_and_comes_back(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.behave(exit=1)
    name = site.orthanc.post(made_series(tmp_path / "ct"))
    record = ends_as(site, name, "dead")
    assert (record["code"], record["attempts"], len(site.starts())) == ("APP_FAILED", 3, 3)
    assert "segmentation" in record["detail"]
    config = ["-c", str(site.save_settings())]
    assert main(["dead-letters", *config]) == 0
    listed = capsys.readouterr().out
    assert name in listed
    assert "APP_FAILED" in listed
    site.behave()
    assert main(["resubmit", *config, name]) == 0
    ends_as(site, name, "done")
    assert site.orthanc.own() == ONE
    capsys.readouterr()
    assert main(["dead-letters", *config]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        ({"exit": 2}, "APP_USAGE"),
        ({"exit": 137}, "APP_FAILED"),
        ({"alien": True}, "RESULTS_INVALID"),
        ({"outside": True}, "RESULTS_INVALID"),
        ({"seconds": 60}, "APP_TIMEOUT"),
    ],
)
def test_fault_of_the_app_is_named(site: Site, tmp_path: Path, behaviour: dict[str, Any], code: str) -> None:
    site.behave(**behaviour)
    site.settings["processing"]["attempts"] = 1
    site.settings["app"]["timeout_s"] = 2 if code == "APP_TIMEOUT" else 120  # a busy machine is no fault
    name = site.orthanc.post(made_series(tmp_path / "ct"))
    assert ends_as(site, name, "dead")["code"] == code
    assert site.orthanc.own() == {}
    assert list(site.work.iterdir()) == []


def test_app_that_does_not_exist(site: Site, tmp_path: Path) -> None:
    site.settings["app"]["command"] = ["/nowhere/app"]
    site.settings["processing"]["attempts"] = 1
    name = site.orthanc.post(made_series(tmp_path / "ct"))
    assert ends_as(site, name, "dead")["code"] == "APP_NOT_FOUND"


def test_series_that_the_app_refuses(site: Site, tmp_path: Path) -> None:
    site.behave(refuse="LUNGS_CUT")
    name = site.orthanc.post(made_series(tmp_path / "ct"))
    assert ends_as(site, name, "refused")["code"] == "LUNGS_CUT"
    assert len(site.starts()) == 1


def test_a_bad_series_does_not_stop_the_good_ones(site: Site, tmp_path: Path) -> None:
    """One refused by tags, one hostile, one whose metadata are somebody else's; the fourth is processed."""
    refused = site.orthanc.post(made_series(tmp_path / "a", 1, ContrastBolusAgent="Iomeprol"))
    huge = site.orthanc.post(made_series(tmp_path / "b", 2, Rows=65535, Columns=65535, NumberOfFrames=2**31 - 1))
    foreign = site.orthanc.post(made_series(tmp_path / "c", 3))
    good = site.orthanc.post(made_series(tmp_path / "d", 4))
    site.orthanc.http.put(f"/series/{foreign}/metadata/5200", content="not ours").raise_for_status()
    ends_as(site, good, "done")
    assert (site.orthanc.record(refused) or {})["code"] == "CONTRAST_PRESENT"
    assert (site.orthanc.record(huge) or {})["code"] == "TOO_LARGE"
    assert site.orthanc.http.get(f"/series/{foreign}/metadata/5200").text == "not ours"
    assert len(site.starts()) == 1


def test_series_with_more_files_than_the_limit(site: Site, tmp_path: Path) -> None:
    site.settings["limits"] = {"instances": 5}
    name = site.orthanc.post(made_series(tmp_path / "ct"))
    assert ends_as(site, name, "refused")["code"] == "TOO_LARGE"


def test_tags_beyond_the_limit_are_not_read(site: Site, tmp_path: Path) -> None:
    site.settings["limits"] = {"tags_mib": 1}
    many = {"RequestAttributesSequence": [Dataset() for _ in range(12_000)]}
    record = ends_as(site, site.orthanc.post(made_series(tmp_path / "ct", **many)), "refused")
    assert record["code"] == "TOO_LARGE"
    assert "tags" in record["detail"]


def test_series_that_nobody_can_judge_is_a_dead_letter(
    new_orthanc: Callable[..., OrthancServer], tmp_path: Path
) -> None:
    """Orthanc's storage is damaged: no rule can say anything about the series, so a person must."""
    orthanc = new_orthanc()
    name = orthanc.post(made_series(tmp_path / "ct"))
    orthanc.stop(kill=True)
    for path in (orthanc.folder / "db").glob("*/*/*"):
        path.write_bytes(b"")
    orthanc.start()
    assert ends_as(Site(orthanc, tmp_path), name, "dead")["code"] == "TAGS_UNREADABLE"


def test_deflated_bomb_is_never_unpacked(site: Site, tmp_path: Path) -> None:
    """A few kilobytes on disk that any parser turns into megabytes; an honest deflated series goes through."""
    site.settings["limits"] = {"files_mib": 2}
    deflated = {"syntax": DeflatedExplicitVRLittleEndian}
    bomb = made_series(tmp_path / "bomb", 1, PixelData=bytes(3 << 20), **deflated)
    assert sum(path.stat().st_size for path in bomb) < 1 << 20
    refused = site.orthanc.post(bomb)
    honest = site.orthanc.post(made_series(tmp_path / "ct", 2, **deflated))
    worker = site.worker()
    worker.until(lambda: all((site.orthanc.record(one) or {}).get("state") in ENDS for one in (refused, honest)))
    assert (site.orthanc.record(refused) or {})["code"] == "TOO_LARGE"
    assert (site.orthanc.record(honest) or {})["state"] == "done"
    assert len(site.starts()) == 1


@pytest.mark.parametrize("content", [b"", b"no DICOM", bytes(128) + b"DICM", bytes(128) + b"DICM\x02\0\x10\0UI\x02\0"])
def test_what_is_no_deflated_file_has_its_own_size(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert unpacked_size(path, 10) == len(content)


def test_broken_deflated_file_is_counted_as_far_as_it_goes(tmp_path: Path) -> None:
    (path,) = made_series(tmp_path / "ct", slices=1, syntax=DeflatedExplicitVRLittleEndian)
    whole = unpacked_size(path, 1 << 20)
    path.write_bytes(path.read_bytes()[:-200])
    assert 0 < unpacked_size(path, 1 << 20) < whole


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_path_tricks_in_uids_lead_nowhere(site: Site, tmp_path: Path) -> None:
    """A UID is data: it names no file, and what is wrong with it is the app's to say."""
    trick = "../../../../tmp/owned"
    name = site.orthanc.post(made_series(tmp_path / "ct", SeriesInstanceUID=trick, FrameOfReferenceUID="/etc/passwd"))
    before = {path for path in tmp_path.rglob("*") if site.work not in path.parents}
    ends_as(site, name, "done")
    after = {path for path in tmp_path.rglob("*") if site.work not in path.parents}
    assert {path.name for path in after - before} <= {"starts", "work"}
    assert not Path("/tmp/owned").exists()  # noqa: S108  (the place that must stay empty)


def test_full_disk_holds_jobs_back_until_there_is_room(site: Site, tmp_path: Path, small_disk: Path) -> None:
    """Nothing is pulled, no attempt is used up, and the worker says that it is not well."""
    site.settings["work"]["folder"] = str(small_disk / "work")
    ballast = small_disk / "ballast"
    ballast.write_bytes(os.urandom((2 << 20) - 20000))
    name = site.orthanc.post(made_series(tmp_path / "ct"))
    worker = site.worker()
    site.orthanc.await_stable()
    for _ in range(5):
        worker.round()
        time.sleep(0.1)
    assert site.orthanc.record(name) is None
    assert "needs" in worker.health.verdict()[1]
    ballast.unlink()
    worker.until(lambda: (site.orthanc.record(name) or {}).get("state") == "done")
    assert site.orthanc.own() == ONE
    assert worker.health.verdict() == (True, "ok")


def test_series_that_the_disk_can_never_hold_is_refused(site: Site, tmp_path: Path, small_disk: Path) -> None:
    """To wait for room would be for ever, with a worker that calls itself unwell."""
    site.settings["work"]["folder"] = str(small_disk / "work")
    name = site.orthanc.post(made_series(tmp_path / "ct", PixelData=os.urandom(100_000)))
    assert ends_as(site, name, "refused")["code"] == "TOO_LARGE"
    assert site.starts() == []


def test_disk_that_fills_up_while_pulling(site: Site, tmp_path: Path, small_disk: Path) -> None:
    """The series is larger than the disk, which the check could not know: no attempt is used up."""
    site.settings["work"] |= {"folder": str(small_disk / "work"), "space_factor": 1}
    site.settings["processing"]["first_s"] = 0.1
    name = site.orthanc.post(made_series(tmp_path / "ct", PixelData=os.urandom(500_000)))
    worker = site.worker()
    # as if another filled it just now
    worker.workplace.check_space = lambda size: None  # type: ignore[method-assign]
    worker.workplace.can_ever_hold = lambda size: True  # type: ignore[method-assign]
    worker.until(lambda: (site.orthanc.record(name) or {}).get("state") == "waiting")
    assert (site.orthanc.record(name) or {})["attempts"] == 0
    assert site.starts() == []


def test_disk_that_the_app_fills(site: Site, tmp_path: Path, small_disk: Path) -> None:
    site.behave(loud=True)
    site.settings["work"]["folder"] = str(small_disk / "work")
    name = site.orthanc.post(made_series(tmp_path / "ct"))
    worker = site.worker()
    worker.until(lambda: (site.orthanc.record(name) or {}).get("code") == "APP_FAILED")
    site.behave()
    worker.until(lambda: (site.orthanc.record(name) or {}).get("state") == "done")
    assert site.orthanc.own() == ONE


def test_unknown_scanner_is_refused_at_the_door(site: Site, tmp_path: Path) -> None:
    """Orthanc takes series only from the AE titles that it knows."""
    files = made_series(tmp_path / "ct")
    assert site.orthanc.send(files, aet="STRANGER") != 0
    assert site.orthanc.series() == []
    assert site.orthanc.send(files) == 0
    assert len(site.orthanc.series()) == 1


def test_orthanc_restarted_while_the_app_runs(new_orthanc: Callable[..., OrthancServer], tmp_path: Path) -> None:
    orthanc = new_orthanc()
    site = Site(orthanc, tmp_path)
    site.behave(seconds=2)
    name = orthanc.post(made_series(tmp_path / "ct"))
    process = site.start_worker(tmp_path / "log")
    try:
        while not site.starts():
            time.sleep(0.05)
        orthanc.stop(kill=True)
        time.sleep(2.5)
        orthanc.start()
        for _ in range(300):
            if (orthanc.record(name) or {}).get("state") == "done":
                break
            time.sleep(0.1)
    finally:
        process.terminate()
        process.wait(30)
    assert len(site.starts()) == 1, "the lease outlived an Orthanc that nobody could reach"
    assert results_at(orthanc) == 5


def test_orthanc_restarted_before_the_series_was_stable(
    new_orthanc: Callable[..., OrthancServer], tmp_path: Path
) -> None:
    """No StableSeries event will ever come: the sweep finds the series."""
    orthanc = new_orthanc()
    site = Site(orthanc, tmp_path)
    worker = site.worker()
    worker.round()
    name = orthanc.post(made_series(tmp_path / "ct"))
    orthanc.stop(kill=True)
    orthanc.start()
    worker.until(lambda: (orthanc.record(name) or {}).get("state") == "done")
    kinds = {one["ChangeType"] for one in orthanc.get("/changes?limit=1000")["Changes"] if one["ID"] == name}
    assert "StableSeries" not in kinds
    assert results_at(orthanc) == 5
