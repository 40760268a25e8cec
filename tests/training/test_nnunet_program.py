"""nnU-Net itself: its networks, its predictor, a tiny training. Runs where `make nnunet-env` has been."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from benchmarks.nnunet_plan import plan
from benchmarks.sliding_window import PROGRAM, Method, volume
from pulmomap.inference.segmentation import open_vessel_model, probabilities
from training.__main__ import main
from training.nnunet.programs import environment

PYTHON = environment() / "bin" / "python"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="nnU-Net is not installed: run `make nnunet-env`"),
]


def theirs(model: Path, volumes: list[np.ndarray], folder: Path) -> list[np.ndarray]:
    """Probabilities by nnU-Net's own predictor."""
    found = []
    given, logits = folder / "volume.npy", folder / "logits.npy"
    np.save(given, volumes[0])
    method = Method([str(PYTHON), str(PROGRAM), "serve", str(model), str(given), '{"threads": 1}'])
    for hu in volumes:
        np.save(given, hu)
        method.predict(save=str(logits), other=str(given))
        found.append(np.asarray(softmax(np.load(logits), axis=0)))
    method.close()
    return found


def ours(model: Path, volumes: list[np.ndarray], folder: Path) -> list[np.ndarray]:
    """Probabilities by the application, from the exported bundle."""
    out = folder / "bundle"
    assert main(["export", str(model), "--out", str(out), "--version", "0.0.1"]) == 0
    opened = open_vessel_model(out, device="cpu", precision="f32", threads=1)
    low, high = opened.bundle.config.preprocessing.clip_hu
    return [np.array(probabilities(np.clip(hu, low, high), opened)) for hu in volumes]


@pytest.mark.parametrize("residual", [False, True])
def test_application_gives_the_predictor_s_answer(residual: bool, tmp_path: Path) -> None:
    """One window: up to the half precision in which nnU-Net adds up. Several: its Gaussian lies half a voxel off."""
    (tmp_path / "plan.json").write_text(json.dumps(plan([32] * 3, [8, 12, 16], residual=residual)))
    model = tmp_path / "model"
    subprocess.run([PYTHON, PROGRAM, "make", model, tmp_path / "plan.json"], check=True)
    volumes = [volume((32, 32, 32)), volume((48, 40, 60))]
    pairs = zip(theirs(model, volumes, tmp_path), ours(model, volumes, tmp_path), strict=True)
    for (expected, found), (largest, mean) in zip(pairs, [(2e-3, 3e-4), (8e-2, 3e-3)], strict=True):
        difference = np.abs(expected - found)
        print(residual, expected.shape, difference.max(), difference.mean())
        assert difference.max() < largest
        assert difference.mean() < mean
        assert (expected.argmax(0) == found.argmax(0)).mean() > 0.99


def test_tiny_training_runs_from_store_to_application(store: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = ["fit", "nnunet", "--preset", "smoke", "--data", str(store), "--out", str(run), "--threads", "1"]
    assert main(command) == 0
    assert main(command) == 2  # it holds a run already
    assert main([*command, "--resume"]) == 0
    (model,) = (run / "results").glob("*/PulmoMapTrainer__*")
    hu = [volume((24, 40, 40))]
    (expected,), (found,) = theirs(model, hu, tmp_path), ours(run, hu, tmp_path)
    assert np.abs(expected - found).mean() < 3e-3
    facts = json.loads((tmp_path / "bundle" / "configs" / "metadata.json").read_text())
    assert facts["steps"] == 4
    assert facts["data"]["train_cases"] == 2
