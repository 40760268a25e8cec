"""The whole chain with the app itself: dcmtk, Orthanc, gateway, app, Orthanc, a second PACS."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from app_runs import ROOT, draw_phantom
from orthanc_server import OrthancServer
from pydicom import dcmread
from site_kit import Site

APP = ["{python}", "-m", "app", "-i", "{input}", "-o", "{output}", "-m", "{models}", "-c", "{config}"]


@pytest.mark.slow
def test_phantom_study_through_the_whole_chain(
    site: Site, pacs: OrthancServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULMOMAP_RUNTIME__THREADS", "1")
    phantom = draw_phantom(tmp_path / "phantom", "--spacing", "2")
    files = [*sorted((phantom / "ncct").rglob("*.dcm")), *sorted((phantom / "seg").rglob("*.dcm"))]
    assert site.orthanc.send(files) == 0
    (name,) = [one["ID"] for one in site.orthanc.series(Modality="CT")]
    slices = len(site.orthanc.get(f"/series/{name}")["Instances"])
    site.settings["app"] = {"command": APP, "config": str(ROOT / "app.yaml")}
    site.settings["lease"] = {"seconds": 30, "heartbeat_s": 5}
    site.settings["targets"] = [{"name": "pacs", "commitment": True}]
    log = tmp_path / "log"
    worker = site.start_worker(log)
    try:
        for _ in range(1200):
            if (site.orthanc.record(name) or {}).get("state") in ("done", "refused", "dead"):
                break
            time.sleep(0.5)
    finally:
        worker.terminate()
        worker.wait(60)
    record = site.orthanc.record(name) or {}
    assert record["state"] == "done", record
    assert site.orthanc.own() == pacs.own() == {"CT": [slices], "SEG": [1], "SR": [1]}
    (report,) = pacs.series(Modality="SR")
    path = tmp_path / "sr.dcm"
    path.write_bytes(pacs.http.get(f"/instances/{report['Instances'][0]}/file").content)
    assert "Nodule 1" in str(dcmread(path)), "the nodule's SEG went with the series"
    header = dcmread(files[0], stop_before_pixels=True)
    said = log.read_text()
    assert json.loads(said.splitlines()[-1])["message"] == "worker stopped"
    secret = [str(header.PatientID), str(header.StudyInstanceUID), str(header.SeriesInstanceUID)]
    secret += [part for part in str(header.PatientName).split("^") if len(part) > 3]
    assert [one for one in secret if one in said] == []
