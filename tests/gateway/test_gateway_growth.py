"""Series that arrive in pieces, twice, or while they are being processed; reconstructions of one scan."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from made_series import made_series
from orthanc_server import OrthancServer
from site_kit import LocalWorker, Site

ONE = {"CT": [3], "SEG": [1], "SR": [1]}


def result_uids(orthanc: OrthancServer) -> set[str]:
    return {one["MainDicomTags"]["SeriesInstanceUID"] for one in orthanc.series(Manufacturer="PulmoMAP")}


def process(site: Site, worker: LocalWorker, name: str, starts: int) -> None:
    worker.until(lambda: len(site.starts()) == starts and (site.orthanc.record(name) or {}).get("state") == "done")


def test_larger_set_supersedes_the_smaller_ones_results(site: Site, tmp_path: Path) -> None:
    files = made_series(tmp_path / "ct", slices=8)
    name = site.orthanc.post(files[:6])
    worker = site.worker()
    process(site, worker, name, starts=1)
    first = result_uids(site.orthanc)
    site.orthanc.post(files[6:])
    process(site, worker, name, starts=2)
    assert [one["files"] for one in site.starts()] == [6, 8]
    assert site.orthanc.own() == ONE
    assert not first & result_uids(site.orthanc)


def test_series_that_is_sent_again_changes_nothing(site: Site, tmp_path: Path) -> None:
    files = made_series(tmp_path / "ct")
    name = site.orthanc.post(files)
    worker = site.worker()
    process(site, worker, name, starts=1)
    before = site.orthanc.record(name)
    site.orthanc.post(files)
    site.orthanc.await_stable()
    for _ in range(5):
        worker.round()
        time.sleep(0.1)
    assert site.orthanc.record(name) == before
    assert len(site.starts()) == 1


def test_series_that_grows_while_it_is_processed(site: Site, tmp_path: Path) -> None:
    """The run on the part is broken off within a heartbeat or two, and none of its results is ever stored."""
    files = made_series(tmp_path / "ct", slices=8)
    name = site.orthanc.post(files[:6])
    site.behave(seconds=60)
    process_ = site.start_worker(tmp_path / "log")
    try:
        while not site.starts():
            time.sleep(0.05)
        site.behave()
        site.orthanc.post(files[6:])
        for _ in range(300):
            if (site.orthanc.record(name) or {}).get("state") == "done":
                break
            time.sleep(0.1)
    finally:
        process_.terminate()
        process_.wait(30)
    assert [one["files"] for one in site.starts()] == [6, 8]
    assert site.orthanc.own() == ONE
    assert process_.returncode == 0


def test_results_go_when_the_grown_series_is_refused(site: Site, tmp_path: Path) -> None:
    """Late slices that speak of contrast: what was made of the first ones must not stay."""
    name = site.orthanc.post(made_series(tmp_path / "plain"))
    worker = site.worker()
    process(site, worker, name, starts=1)
    late = made_series(tmp_path / "late", slices=8, ContrastBolusAgent="Iomeprol")[6:]
    site.orthanc.post(late)
    worker.until(lambda: (site.orthanc.record(name) or {}).get("state") == "refused")
    record = site.orthanc.record(name)
    assert record is not None
    assert record["code"] == "CONTRAST_PRESENT"
    assert site.orthanc.own() == {}


def test_only_the_preferred_reconstruction_is_taken(site: Site, tmp_path: Path) -> None:
    """Both arrive before the study is stable; the soft kernel is what the networks know."""
    sharp = site.orthanc.post(made_series(tmp_path / "sharp", 1, study=1, ConvolutionKernel="B70f"))
    soft = site.orthanc.post(made_series(tmp_path / "soft", 2, study=1, ConvolutionKernel="B30f"))
    worker = site.worker()
    worker.until(
        lambda: all((site.orthanc.record(one) or {}).get("state") in ("done", "refused") for one in (sharp, soft))
    )
    records = [site.orthanc.record(one) for one in (sharp, soft)]
    assert [(one or {})["code"] for one in records] == ["NOT_PREFERRED", ""]
    assert len(site.starts()) == 1
    assert site.orthanc.own() == ONE


def test_split_series_sent_by_dicom(site: Site, tmp_path: Path) -> None:
    """The pause between two associations is longer than StableAge: two jobs, one set of results."""
    files = made_series(tmp_path / "ct", slices=8)
    log = tmp_path / "log"
    worker: subprocess.Popen[bytes] = site.start_worker(log)
    try:
        assert site.orthanc.send(files[:6]) == 0
        while not site.orthanc.own():
            time.sleep(0.1)
        assert site.orthanc.send(files[6:]) == 0
        for _ in range(300):
            if len(site.starts()) == 2 and site.orthanc.own() == ONE:
                break
            time.sleep(0.1)
    finally:
        worker.terminate()
        worker.wait(30)
    assert [one["files"] for one in site.starts()] == [6, 8]
    assert site.orthanc.own() == ONE
