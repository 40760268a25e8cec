"""nnU-Net itself: its networks, its predictor, a tiny training. Runs where `make nnunet-env` has been."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax

from benchmarks.nnunet_plan import plan
from benchmarks.sliding_window import PROGRAM, Method, volume
from pulmomap.inference.bundle import load_segmentation_bundle
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
def test_application_gives_nnunets_answer(residual: bool, tmp_path: Path) -> None:
    """The network to float32; the predictor to the half precision in which nnU-Net adds windows up.

    Where a window weighs little, at the volume's ends, half precision has no digits left: those voxels are left out.
    With several windows the maps differ more, because nnU-Net's Gaussian lies half a voxel off the middle, and windows
    of a random network disagree: seen were .0036 on average, .105 at most.
    """
    (tmp_path / "plan.json").write_text(json.dumps(plan([32] * 3, [8, 12, 16], residual=residual)))
    model = tmp_path / "model"
    subprocess.run([PYTHON, PROGRAM, "make", model, tmp_path / "plan.json"], check=True)
    volumes = [volume((32, 32, 32)), volume((48, 40, 60))]
    expected, found = theirs(model, volumes, tmp_path), ours(model, volumes, tmp_path)

    network = load_segmentation_bundle(tmp_path / "bundle").network
    network.intensities = None
    one = np.load(model / "answer.npz")
    assert np.abs(network(torch.from_numpy(one["given"])).numpy() - one["answer"]).max() < 1e-4

    for theirs_, ours_, largest, mean in zip(expected, found, (2e-2, 2e-1), (1e-3, 6e-3), strict=True):
        difference = np.abs(theirs_ - ours_)[:, 8:-8, 8:-8, 8:-8]
        print(residual, ours_.shape, difference.max(), difference.mean())
        assert difference.max() < largest
        assert difference.mean() < mean
        assert (theirs_.argmax(0) == ours_.argmax(0)).mean() > 0.99


def test_tiny_training_runs_from_store_to_application(store: Path, tmp_path: Path) -> None:
    """Compared in one window: its training is not the same twice, so how far windows disagree is not either."""
    run = tmp_path / "run"
    command = ["fit", "nnunet", "--preset", "smoke", "--data", str(store), "--out", str(run), "--threads", "1"]
    assert main(command) == 0
    assert main(command) == 2  # it holds a run already
    assert main([*command, "--resume"]) == 0
    (model,) = (run / "results").glob("*/PulmoMapTrainer__*")
    hu = [volume((16, 16, 16))]
    (expected,), (found,) = theirs(model, hu, tmp_path), ours(run, hu, tmp_path)
    difference = np.abs(expected - found)[:, 4:-4, 4:-4, 4:-4]
    assert difference.max() < 2e-2
    assert difference.mean() < 1e-3
    facts = json.loads((tmp_path / "bundle" / "configs" / "metadata.json").read_text())
    assert facts["steps"] == 4
    assert facts["data"]["train_cases"] == 2
