"""The comparison arms: one loop, one recipe but for the network."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric

from training.__main__ import main
from training.fit import Run
from training.loops.adversarial import AdversarialLoop
from training.recipe import Preset, build, load_preset

ARMS = [
    "enhance_gan_unet",
    pytest.param(
        "enhance_gan_swinunetr",
        marks=pytest.mark.skipif(
            find_spec("einops") is None, reason="MONAI's Swin UNETR needs einops (requirements.txt), not installed here"
        ),
    ),
    "enhance_gan_3d",
]
OF_THE_ARM = {"name", "bundle", "description", "network", "crop", "batch"}


def differing(one: Preset, other: Preset) -> set[str]:
    return {key for key in Preset.model_fields if getattr(one, key) != getattr(other, key)}


@pytest.mark.parametrize("arm", ARMS)
def test_two_steps_of_each_arm(arm: str, tmp_path: Path, store: Path) -> None:
    preset = load_preset(arm, "smoke").model_copy(update={"steps": 2})
    run = Run(preset, store, tmp_path / "run")
    before = [parameter.detach().clone() for parameter in run.loop.network.parameters()]
    figures = run.train()
    assert run.step == 2
    assert figures["model_psnr"] > 0
    assert any(not torch.equal(a, b) for a, b in zip(before, run.loop.network.parameters(), strict=True))


@pytest.mark.parametrize("arm", ["enhance_gan_unet", "enhance_gan_swinunetr", "enhance_gan_3d"])
@pytest.mark.parametrize("preset", ["paper", "recommended"])
def test_an_arm_differs_from_enhance_gan_by_its_network_alone(arm: str, preset: str) -> None:
    ours, reference = load_preset(arm, preset), load_preset("enhance_gan", preset)
    assert differing(ours, reference) <= OF_THE_ARM
    assert ours.network["_target_"].startswith("training.arms.")
    if arm != "enhance_gan_3d":
        assert (ours.crop, ours.batch) == (reference.crop, reference.batch)


@pytest.mark.parametrize("arm", ARMS)
def test_untrained_an_arm_adds_nothing_and_the_papers_paints(arm: str) -> None:
    smoke, paper = load_preset(arm, "smoke"), load_preset(arm, "paper")
    x = torch.randn(1, *smoke.crop.size)
    assert not build(smoke.network)(x).any()
    painter = build(
        smoke.network | {key: paper.network[key] for key in ("predicts", "zero_output") if key in paper.network}
    )
    assert paper.network["predicts"] == "image"
    with torch.no_grad():
        assert (x + painter(x)).std() > 0


def test_the_published_3d_arm_keeps_its_input_size() -> None:
    preset = load_preset("enhance_gan_3d", "paper")
    with torch.device("meta"):
        network = build(preset.network)
        assert network(torch.zeros(1, *preset.crop.size)).shape == (1, *preset.crop.size)


def test_the_judge_sees_the_same_three_slices_of_every_image() -> None:
    loop = AdversarialLoop(Fabric(accelerator="cpu", devices=1), load_preset("enhance_gan_3d", "smoke"))
    block = torch.arange(8.0)[:, None, None].expand(1, 8, 32, 32)
    seen = {tuple(loop._window(block, step)[0, :, 0, 0].tolist()) for step in range(20)}
    assert seen == {(first, first + 1, first + 2) for first in range(6)}


def test_an_arm_is_never_exported(tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Run(load_preset("enhance_gan_unet", "smoke").model_copy(update={"steps": 1}), store, tmp_path / "run").train()
    assert main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "out"), "--version", "1.0.0"]) == 2
    assert "enhance_gan_unet is for comparison only" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
