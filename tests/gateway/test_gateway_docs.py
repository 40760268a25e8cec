"""The integrator's page tells the truth: its table, its settings, its Orthanc and its commands."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from made_series import made_series
from orthanc_server import OrthancServer, free_port
from site_kit import ROOT, Site

from gateway.faults import Fault
from gateway.health import Health
from gateway.settings import Settings, load_settings

PAGE = (ROOT / "docs" / "gateway.md").read_text()


def block(kind: str) -> str:
    """The one block of this kind."""
    (found,) = re.findall(rf"```{kind}\n(.*?)```", PAGE, flags=re.DOTALL)
    return str(found)


def test_every_fault_has_its_row() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \|", PAGE, flags=re.MULTILINE)
    assert rows == [one.name for one in Fault]


def test_settings_of_the_page_are_valid(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(block("yaml"))
    settings = load_settings(path)
    for section in ("processing", "forwarding", "health"):
        assert getattr(settings, section) == getattr(Settings(), section), "the page shows the defaults"


def test_metrics_of_the_page_exist() -> None:
    known = {
        f"{family.name}_total" if family.type == "counter" else family.name for family in Health().registry.collect()
    }
    named = {f"pulmomap_gateway{one}" for one in re.findall(r"`(?:pulmomap_gateway)?(_[a-z][a-z_]+)`", PAGE)}
    assert named
    assert named <= known


def test_commands_of_the_page_work(new_orthanc: Callable[..., OrthancServer], tmp_path: Path) -> None:
    """On an Orthanc with the page's own options, its ports and addresses replaced."""
    options = json.loads(block("json"))
    for name in ("DicomPort", "HttpPort"):
        del options[name]
    options["DicomModalities"]["scanner"][1] = "127.0.0.1"
    orthanc = new_orthanc(options.pop("DicomAet"), **{**options, "StableAge": 1})
    site = Site(orthanc, tmp_path)
    health = free_port()
    site.settings["health"] = {"port": health}
    made_series(tmp_path / "STUDY")
    places = {
        "storescu": "/usr/bin/storescu",
        "4242": str(orthanc.dicom_port),
        "8042": str(orthanc.http_port),
        "9108": str(health),
        "STUDY": str(tmp_path / "STUDY"),
    }
    worker = site.start_worker(tmp_path / "log")
    said: list[str] = []
    try:
        for line in block("console").splitlines():
            words = line.removeprefix("$ ").split()
            for place, value in places.items():
                words = [word.replace(place, value) for word in words]
            run = subprocess.run(words, capture_output=True, text=True, check=False)
            assert run.returncode == 0, (words, run.stderr)
            said.append(run.stdout)
            if "SERIES" not in places and words[0] == "curl":
                (places["SERIES"],) = json.loads(run.stdout)
                while (orthanc.record(places["SERIES"]) or {}).get("state") != "done":
                    time.sleep(0.1)
    finally:
        worker.terminate()
        worker.wait(30)
    assert json.loads(said[2])["state"] == "done"
    assert said[3] == "ok\n"
    assert "pulmomap_gateway_jobs_total" in said[4]
    assert yaml.safe_load(block("yaml"))["targets"][0]["name"] in options["DicomModalities"]
