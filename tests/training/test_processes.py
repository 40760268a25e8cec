"""Two processes started by torchrun train what one process trains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric

from training.fit import Run
from training.processes import refuse_uneven
from training.recipe import RecipeError, load_preset

ROOT = Path(__file__).resolve().parents[2]
STEPS = 3
# A plain L1: its mean over the batch is the mean of the means of the shares, so one process is an oracle for two.
RECIPE = f"""
name: two
task: synthesis
description: a test
presets:
  smoke:
    extends: enhance_gan/smoke
    steps: {STEPS}
    batch: 4
    ema: 0.5
    synthesis: {{vessel_weight: 1.0}}
"""
# The command, and beside it what only a test wants to know: the weights with which each process ends.
NOTED = """
import atexit, os, sys, torch
# What is registered first runs last: after the command has tidied up.
def left():
    print(f"rank {os.environ['RANK']} leaves the group: {not torch.distributed.is_initialized()}", flush=True)
atexit.register(left)
from training import fit
from training.__main__ import main
train = fit.Run.train
def noted(run):
    figures = train(run)
    both = {"network": run.loop.network.state_dict(), "judge": run.loop.judge.state_dict(), "figures": figures}
    torch.save(both, f"{sys.argv[1]}/rank-{os.environ['RANK']}.pt")
    return figures
fit.Run.train = noted
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "two.yaml"
    path.write_text(RECIPE)
    return path


def test_two_processes_train_what_one_trains(tmp_path: Path, store: Path, recipe: Path) -> None:
    script = tmp_path / "noted.py"
    script.write_text(NOTED)
    fit = ["fit", str(recipe), "--preset", "smoke", "--data", str(store), "--out", str(tmp_path / "two")]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, str(script), str(tmp_path), *fit, "--threads", "1"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]

    first, second = (torch.load(tmp_path / f"rank-{rank}.pt") for rank in (0, 1))
    assert first["figures"] == second["figures"]
    for part in ("network", "judge"):
        for key, value in first[part].items():
            assert torch.equal(value, second[part][key]), f"{part} {key}"

    run = tmp_path / "two"
    assert [path.name for path in run.rglob("*.pt")] == ["checkpoint.pt"]
    assert len(list((run / "tensorboard").iterdir())) == 1
    lines = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, STEPS + 1))
    assert done.stdout.count(f"step {STEPS}: ") == 1
    for rank in (0, 1):  # or gloo's threads abort a process that ends, now and then
        assert f"rank {rank} leaves the group: True" in done.stdout

    alone = Run(load_preset(str(recipe), "smoke"), store, tmp_path / "one", fabric=Fabric(accelerator="cpu", devices=1))
    alone.train()
    for key, value in alone.loop.network.state_dict().items():
        torch.testing.assert_close(first["network"][key], value, rtol=1e-3, atol=1e-5)


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    class Three:
        world_size = 3

    preset = load_preset("enhance_gan", "recommended")
    with pytest.raises(RecipeError, match="batch of 4 cannot be split evenly over 3 processes"):
        refuse_uneven(preset, Three())  # type: ignore[arg-type]
