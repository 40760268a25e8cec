"""Nothing that the gateway says names a patient: not its log, not its metrics, not its lists."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from dicom_factory import UID_ROOT
from made_series import made_series
from orthanc_server import free_port
from site_kit import ROOT, Site

CANARIES = ("Canary", "Secret", "CANARY-ID", "CANARY-ACC", "19700101", UID_ROOT)


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_nothing_said_names_a_patient(site: Site, tmp_path: Path) -> None:
    """At the most talkative level: jobs that are done, refused, hostile, failing and dead; faults of the network."""
    port = free_port()
    site.settings |= {"health": {"port": port}, "logging": {"level": "DEBUG"}, "targets": [{"name": "scanner"}]}
    site.settings["forwarding"] = {"attempts": 1, "first_s": 0.1, "longest_s": 0.1}
    trick = f"{UID_ROOT}1/../../CANARY-ID"
    names = [
        site.orthanc.post(made_series(tmp_path / "a", 1)),
        site.orthanc.post(made_series(tmp_path / "b", 2, ContrastBolusAgent="Canary Secret")),
        site.orthanc.post(made_series(tmp_path / "c", 3, Rows=65535, Columns=65535, NumberOfFrames=10**6)),
        site.orthanc.post(made_series(tmp_path / "d", 4, SeriesInstanceUID=trick)),
        site.orthanc.post(made_series(tmp_path / "e", 5, Modality="Canary^Secret")),
    ]
    log = tmp_path / "log"
    worker = site.start_worker(log)
    ends = {"done", "refused", "dead"}
    for _ in range(2000):
        if all((site.orthanc.record(name) or {}).get("state") in ends for name in names):
            break
        time.sleep(0.1)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        metrics = answer.read().decode()
    worker.terminate()
    worker.wait(30)
    said = log.read_text() + metrics
    for verb in ("dead-letters", "status", "check"):
        command = [sys.executable, "-m", "gateway", verb, "-c", str(site.folder / "gateway.yaml")]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        said += run.stdout + run.stderr
    states = [(site.orthanc.record(name) or {}).get("state") for name in names]
    assert sorted(states, key=str) == ["dead", "dead", "refused", "refused", "refused"]
    assert said.count("job dead") == 2
    assert "TARGET_FAILED" in said
    assert [word for word in CANARIES if word in said] == []
