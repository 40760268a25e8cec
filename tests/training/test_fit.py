from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from training.checkpoint import load_checkpoint
from training.fit import Run
from training.loops.supervised import averaging, learning_rate
from training.recipe import Optimiser, Preset, RecipeError, build, load_preset, recipe_names


def losses(run: Path) -> dict[int, dict[str, float]]:
    lines = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    return {line["step"]: line for line in lines if "loss" in line}


def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path: Path, store: Path, preset: Preset) -> None:
    whole = Run(preset, store, tmp_path / "whole")
    whole.train()

    killed = Run(preset, store, tmp_path / "killed", save_every=0.0)
    true_step = killed.loop.step

    def dying(batch: Any, step: int, progress: float) -> dict[str, float]:
        if step == 4:
            killed.save_every = 1e9
        if step == 5:
            raise KeyboardInterrupt
        return true_step(batch, step, progress)

    killed.loop.step = dying  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        killed.train()
    assert load_checkpoint(tmp_path / "killed")["step"] == 4  # the fifth step was done and lost
    Run(preset, store, tmp_path / "killed", resume=True).train()

    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    first, second = (load_checkpoint(tmp_path / name)["average"] for name in ("whole", "killed"))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_training_lowers_the_loss(tmp_path: Path, store: Path, preset: Preset) -> None:
    longer = preset.model_copy(update={"steps": 60, "optimiser": Optimiser(lr=1e-2, warmup=2)})
    Run(longer, store, tmp_path / "run").train()
    curve = [line["loss"] for line in losses(tmp_path / "run").values()]
    assert sum(curve[-10:]) < 0.8 * sum(curve[:10])


def test_a_run_leaves_curves_pictures_and_the_split(tmp_path: Path, store: Path, preset: Preset) -> None:
    Run(preset, store, tmp_path / "run").train()
    state = load_checkpoint(tmp_path / "run")
    assert state["step"] == 6
    assert len(state["cases"]) == 3
    assert list((tmp_path / "run" / "pictures").glob("*.png"))
    assert not list((tmp_path / "run").glob("*.partial"))


def test_a_second_run_does_not_overwrite_the_first(tmp_path: Path, store: Path, preset: Preset) -> None:
    Run(preset, store, tmp_path / "run").train()
    with pytest.raises(RecipeError, match="--resume"):
        Run(preset, store, tmp_path / "run")


def test_the_time_budget_ends_the_run(tmp_path: Path, store: Path, preset: Preset) -> None:
    run = Run(preset.model_copy(update={"steps": 10**6}), store, tmp_path / "run", budget=0.3)
    run.train()
    assert run.progress >= 1
    assert run.step < 10**6


def test_a_stop_signal_leaves_a_checkpoint(tmp_path: Path, store: Path, preset: Preset) -> None:
    run = Run(preset, store, tmp_path / "run")
    true_step = run.loop.step

    def stopping(batch: Any, step: int, progress: float) -> dict[str, float]:
        if step == 2:
            run.stop(15, None)
        return true_step(batch, step, progress)

    run.loop.step = stopping  # type: ignore[method-assign]
    run.train()
    assert load_checkpoint(tmp_path / "run")["step"] == 3


def test_the_adversary_waits_for_its_start(tmp_path: Path, store: Path) -> None:
    from tests.training.tiny_preset import tiny_preset

    Run(tiny_preset("synthesis"), store, tmp_path / "run").train()  # six steps, adversary from 0.3
    judged = ["judge" in line for _, line in sorted(losses(tmp_path / "run").items())]
    assert judged == [False, False, True, True, True, True] or judged == [False, False, False, True, True, True]


def test_the_learning_rate_warms_up_and_falls_once() -> None:
    settings = Optimiser(lr=1.0, warmup=10, floor=0.1)
    assert learning_rate(settings, 0, 0.0) < 0.1
    assert learning_rate(settings, 1000, 0.5) == pytest.approx(0.55)
    assert learning_rate(settings, 1000, 1.0) == pytest.approx(0.1)
    falling = [learning_rate(settings, 1000, part / 50) for part in range(51)]
    assert falling == sorted(falling, reverse=True)


def test_a_young_average_forgets_the_start() -> None:
    average, current = [torch.zeros(1)], [torch.ones(1)]
    for count in range(1, 30):
        averaging(0.999)(average, current, torch.tensor(count))
    assert average[0].item() > 0.99


@pytest.mark.parametrize(
    "name",
    ["enhance_gan", "hipas", "hipas_two_stage", "i2sr", "mae", "vessel_refinement", "vessel_segmentation"],
)
def test_the_recipes_train(name: str, tmp_path: Path, store: Path) -> None:
    Run(load_preset(name, "smoke"), store, tmp_path / "run").train()
    assert len(losses(tmp_path / "run")) == 4


def test_recipes_and_presets_are_found_by_name() -> None:
    assert recipe_names() == [
        "enhance_gan",
        "enhance_gan_3d",
        "enhance_gan_swinunetr",
        "enhance_gan_unet",
        "hipas",
        "hipas_two_stage",
        "i2sr",
        "mae",
        "nnunet",
        "unet3d",
        "vessel_refinement",
        "vessel_segmentation",
    ]
    for name in set(recipe_names()) - {"nnunet"}:  # another program trains it
        assert load_preset(name, "recommended").steps > load_preset(name, "smoke").steps == 4
    with pytest.raises(RecipeError, match=r"enhance_gan, .*, vessel_segmentation"):
        load_preset("nothing", "smoke")
    with pytest.raises(RecipeError, match="paper, recommended, smoke"):
        load_preset("enhance_gan", "nothing")
    with pytest.raises(RecipeError, match=r"torch\.nn\.Nothing"):
        build({"_target_": "torch.nn.Nothing"})
