"""`race`: the arms as they are trained, run on whole volumes and measured against arithmetic."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from highdicom import Volume

from pulmomap.inference.synthesis import open_contrast_model, synthesise
from tests.training.conftest import AFFINE, fake_arrays
from training.__main__ import main
from training.evaluation.rows import NCCT
from training.evaluation.subject import load
from training.export import export
from training.fit import Run
from training.race_scores import scores
from training.recipe import Optimiser, load_preset
from training.store import HELD_OUT, Case, case_folders, write_case
from training.trained import by_windows, open_run, read_run

MakeCase = Callable[[str, int], Case]


@pytest.fixture
def held_out(tmp_path: Path) -> Path:
    for seed in range(HELD_OUT, HELD_OUT + 3):
        facts = {"source": "phantom", "seed": seed, "affine": AFFINE}
        write_case(tmp_path / "held_out", f"phantom-{seed}", fake_arrays(seed), facts)
    return tmp_path / "held_out"


def command(store: Path, held_out: Path, out: Path, *recipes: str) -> list[str]:
    where = ["--data", str(store), "--held-out", str(held_out), "--out", str(out)]
    return ["race", *recipes, "--preset", "smoke", *where, "--time-budget", "1h", "--threads", "1"]


def test_one_command_from_the_stores_to_the_table(
    store: Path, held_out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "arms"
    arguments = command(store, held_out, out, "enhance_gan", "enhance_gan_3d")
    assert main(arguments) == 0
    said = capsys.readouterr().out
    content = json.loads((out / "comparison.json").read_text())
    assert list(content["means"]) == [NCCT, "Attention U-Net (proposed)", "3D attention U-Net"]
    assert {arm["steps"] for arm in content["arms"].values()} == {4}
    assert len(content["cases"]) == 3
    assert "28.14 ± 2.22" in said
    assert said.endswith((out / "comparison.md").read_text() + "\n")
    case = json.loads((out / "cases" / f"phantom-{HELD_OUT}.json").read_text())
    assert case["synthesis"][NCCT]["vessel_mae"] == pytest.approx(300, abs=5)

    kept = {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")} | {
        path: path.stat().st_mtime_ns for path in (out / "cases").iterdir()
    }
    assert main(arguments) == 0, "the same command again"
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert "training" not in capsys.readouterr().out


def test_a_run_is_what_its_bundle_is(store: Path, held_out: Path, tmp_path: Path) -> None:
    faster = load_preset("enhance_gan", "smoke").model_copy(
        update={"steps": 12, "optimiser": Optimiser(lr=2e-2, warmup=0), "ema": 0.0}
    )
    Run(faster, store, tmp_path / "run").train()
    export(tmp_path / "run", tmp_path / "bundle", "0.1.0")
    subject = load(case_folders(held_out)[0], held_out)
    ours = open_run(read_run(tmp_path / "run"))(subject.ncct)
    theirs = synthesise(subject.ncct, open_contrast_model(tmp_path / "bundle", device="cpu", precision="f32"))
    difference = np.asarray(ours.volume.array, int) - np.asarray(theirs.volume.array, int)
    assert np.abs(difference).max() <= 1
    added = np.abs(np.asarray(ours.volume.array) - np.rint(subject.ncct.volume.array))
    assert added.max() > 2, "twelve steps add something to compare"


def test_windows_of_a_3d_network_give_back_what_it_answers_everywhere() -> None:
    image = Volume(np.random.default_rng(0).normal(0, 1, (21, 40, 50)).astype(np.float32), np.eye(4), "PATIENT")
    seen = []

    def doubling(batch: np.ndarray) -> np.ndarray:
        seen.append(batch.shape)
        return 2 * batch

    answer = by_windows(image, doubling, (8, 32, 32))  # type: ignore[arg-type]
    assert set(seen) == {(2, 8, 32, 32)}
    np.testing.assert_allclose(answer.array, 2 * image.array, rtol=1e-5)


@pytest.mark.parametrize("recipe", ["enhance_gan_unet", "enhance_gan_swinunetr", "enhance_gan_3d"])
def test_every_arm_runs_on_a_scan_of_any_size(recipe: str, store: Path, held_out: Path, tmp_path: Path) -> None:
    if recipe == "enhance_gan_swinunetr":
        pytest.importorskip("einops", reason="MONAI's Swin UNETR needs it")
    Run(load_preset(recipe, "smoke").model_copy(update={"steps": 1}), store, tmp_path / "run").train()
    trained = read_run(tmp_path / "run")
    for parameter in trained.network.parameters():
        parameter.copy_(torch.zeros_like(parameter))
    list(trained.network.parameters())[-1].fill_(0.1)  # the last bias: 100 HU everywhere
    subject = load(case_folders(held_out)[0], held_out)
    added = np.asarray(open_run(trained)(subject.ncct).volume.array) - np.rint(subject.ncct.volume.array)
    assert added.shape == (24, 40, 40)
    assert np.abs(added[:, 8:-8, 8:-8] - 100).max() <= 1


def test_scores_are_arithmetic() -> None:
    cect = np.zeros((16, 20, 20), np.float32)
    vessel = np.zeros(cect.shape, bool)
    vessel[:, :5] = True
    image = np.where(vessel, np.float32(40), np.float32(-8))
    found = {key: outcome.value for key, outcome in scores(image, cect, vessel).items()}
    assert (found["vessel_mae"], found["other_mae"]) == (40, 8)
    assert found["psnr"] == pytest.approx(20 * np.log10(2000 / np.sqrt(0.25 * 1600 + 0.75 * 64)))
    assert found["vessel_psnr"] == pytest.approx(20 * np.log10(2000 / 40))


def test_only_synthesisers_are_compared(
    store: Path, held_out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(store, held_out, tmp_path / "out", "vessel_segmentation")) == 2
    assert "vessel_segmentation is for segmentation" in capsys.readouterr().err
