"""A run that is killed leaves nothing half-written under a final name, and the next run finishes the work."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from app_runs import ROOT, AppRun, app_command, run_app
from pydicom import dcmread

RESULTS = {"measurements.sr.dcm", "vessels.seg.dcm", "report.html", "surfaces.glb", "syn-cect"}


def start(study: Path, out: Path, models: Path) -> subprocess.Popen[bytes]:
    command = app_command(study, out, models)
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def assert_whole(out: Path) -> None:
    """Whatever has its final name is complete and readable; the manifest is valid JSON."""
    if (out / "manifest.json").exists():
        assert json.loads((out / "manifest.json").read_text())["state"] in ("running", "finished")
    for folder in out.glob("*/"):
        if folder.name.startswith("."):
            continue
        names = {path.name for path in folder.iterdir()}
        assert names >= RESULTS, names
        assert not [name for name in names if "partial" in name]
        for path in folder.rglob("*.dcm"):
            dcmread(path)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_at_a_random_moment(quick_run: AppRun, quick_models: Path, tmp_path: Path, seed: int) -> None:
    seconds = sum(quick_run.done[0]["seconds"].values())
    process = start(quick_run.study, tmp_path, quick_models)
    time.sleep(random.Random(seed).uniform(0.2, 1.2) * seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert_whole(tmp_path)


def test_killed_while_writing_then_run_again(study: Path, quick_models: Path, tmp_path: Path) -> None:
    """Killed as soon as the first result is being written: the moment with most to lose."""
    process = start(study, tmp_path, quick_models)
    while process.poll() is None and not list(tmp_path.glob(".partial/*/syn-cect/*.dcm")):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert_whole(tmp_path)
    assert list((tmp_path / ".partial").iterdir())
    again = run_app(study, tmp_path, models=quick_models)
    assert again.code == 0, again.stderr
    assert_whole(tmp_path)
    assert not (tmp_path / ".partial").exists()
