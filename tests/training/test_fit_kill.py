"""SIGKILL at the worst moments costs nothing but the work since the last checkpoint."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from training.__main__ import main
from training.batches import training_batch
from training.checkpoint import load_checkpoint
from training.fit import Run
from training.recipe import load_preset
from training.store import StoreError, case_folders

ROOT = Path(__file__).resolve().parents[2]
STEPS, FATAL = 8, 5
RECIPE = f"""
name: killed
task: synthesis
description: a test
presets:
  smoke: {{extends: enhance_gan/smoke, steps: {STEPS}}}
"""
# The command, killed by the kernel: in the fifth step, or with the fifth checkpoint written but not in its place.
FATAL_STEP = f"""
from training.loops.adversarial import AdversarialLoop as Loop
step = Loop.step
Loop.step = lambda loop, batch, at, progress: die() if at == {FATAL - 1} else step(loop, batch, at, progress)
"""
FATAL_SAVE = f"""
import training.checkpoint as checkpoint
replace, saved = os.replace, []
def fatal(source, target):
    saved.append(target)
    die() if len(saved) == {FATAL} else replace(source, target)
checkpoint.os.replace = fatal
"""
KILLED = """
import os, signal, sys
from training.__main__ import main
def die():
    os.kill(os.getpid(), signal.SIGKILL)
{moment}
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("moment", [FATAL_STEP, FATAL_SAVE], ids=["in a step", "in a checkpoint"])
def test_a_run_killed_by_the_kernel_goes_on_with_the_same_curve(tmp_path: Path, store: Path, moment: str) -> None:
    recipe, script = tmp_path / "killed.yaml", tmp_path / "killed.py"
    recipe.write_text(RECIPE)
    script.write_text(KILLED.format(moment=moment))
    fit = ["fit", str(recipe), "--preset", "smoke", "--data", str(store), "--threads", "1", "--save-every", "0s"]
    assert main([*fit, "--out", str(tmp_path / "whole")]) == 0

    done = subprocess.run(
        [sys.executable, str(script), *fit, "--out", str(tmp_path / "killed")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert load_checkpoint(tmp_path / "killed")["step"] == FATAL - 1
    assert main([*fit, "--out", str(tmp_path / "killed"), "--resume"]) == 0

    assert figures(tmp_path / "killed") == figures(tmp_path / "whole")
    assert len(figures(tmp_path / "whole")) == STEPS + 1  # and the validation
    whole, killed = (load_checkpoint(tmp_path / name) for name in ("whole", "killed"))
    for part in ("network", "average", "judge"):
        assert all(torch.equal(value, killed[part][key]) for key, value in whole[part].items())
    assert not list((tmp_path / "killed").glob(".*")), "what the kill left lying about is gone"


def figures(run: Path) -> list[dict[str, float]]:
    """The journal without its clock."""
    lines = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


@pytest.mark.parametrize("damage", ["truncated", "another patient's", "older"])
def test_fit_refuses_a_damaged_store_by_the_files_name(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    first, second, *_ = case_folders(store)
    path = first / "cect.npy"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "older":
        path.write_bytes((first / "ncct.npy").read_bytes())
    else:
        path.write_bytes((second / "cect.npy").read_bytes())
    fit = ["fit", "enhance_gan", "--preset", "smoke", "--data", str(store), "--out", str(tmp_path / "run")]
    assert main(fit) == 2
    said = capsys.readouterr().err
    assert str(path) in said
    assert "prepare" in said
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_file_cut_short_during_training_is_named(tmp_path: Path, store: Path) -> None:
    run = Run(load_preset("enhance_gan", "smoke"), store, tmp_path / "run")
    for case in run.cases.train:
        path = case.folder / "cect.npy"
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(StoreError, match=r"cect\.npy is truncated or mixed up: 1000 bytes"):
        training_batch(run.cases.train, run.preset, 0)
