"""`python -m benchmarks.networks`: the program itself, on a tiny case with random networks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from training.store import case_folders

ROOT = Path(__file__).resolve().parents[2]


def test_every_run_of_both_networks_is_measured(store: Path, models: Path, tmp_path: Path) -> None:
    case = case_folders(store)[0]
    command = [sys.executable, "-m", "benchmarks.networks", str(case), "--models", str(models), "--runs", "2"]
    told = subprocess.run([*command, "--json", str(tmp_path / "out.json")], cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    found = json.loads((tmp_path / "out.json").read_text())["cpu"]
    assert found["what"].startswith("OpenVINO")
    assert found["what"] in told.stdout
    assert found["voxels"] == [24, 40, 40]
    assert {step: len(runs) for step, runs in found["seconds"].items()} == {"synthesis": 3, "segmentation": 3}
    assert min(second for runs in found["seconds"].values() for second in runs) > 0
    assert found["peak_mib"] > 100
    assert found["gpu_peak_mib"] == 0
