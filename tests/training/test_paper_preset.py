"""The preset `paper`: its sizes, its schedule, and that it trains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from training.augment import mirror
from training.batches import training_batch
from training.data import synthesis_crop
from training.fit import Run
from training.loops.adversarial import AdversarialLoop
from training.loops.supervised import learning_rate
from training.recipe import Adversary, Crop, Optimiser, Preset, build, load_preset
from training.store import Case

EPOCH = 682  # 27,292 stacks in batches of 40


@pytest.fixture(scope="module")
def paper() -> Preset:
    return load_preset("enhance_gan", "paper")


def judge_of(preset: Preset) -> Adversary:
    assert preset.adversary is not None
    return preset.adversary


def small(paper: Preset) -> Preset:
    """The same losses and optimisers on networks and crops that a test can afford."""
    judge = judge_of(paper).model_copy(update={"network": judge_of(paper).network | {"channels": (4, 8)}, "size": 32})
    shrunk = {
        "network": paper.network | {"channels": (4, 8)},
        "crop": paper.crop.model_copy(update={"size": (3, 32, 32)}),
        "adversary": judge,
        "batch": 2,
        "steps": 2,
        "precision": "32-true",
        "validation_crops": 1,
    }
    return paper.model_copy(update=shrunk)


def test_both_networks_have_the_published_size(paper: Preset) -> None:
    with torch.device("meta"):
        generator = build(paper.network)
    judge = build(judge_of(paper).network)
    assert sum(parameter.numel() for parameter in generator.parameters()) == 79_968_813
    assert sum(parameter.numel() for parameter in judge.parameters()) == 716_035


def test_the_published_run(paper: Preset) -> None:
    assert (paper.batch, paper.steps, paper.seed) == (40, 200 * EPOCH, 42)
    assert paper.crop == Crop(size=(3, 256, 256), aimed=0.0, central=True)
    assert (paper.synthesis.weight, paper.synthesis.vessel_weight, judge_of(paper).weight) == (10, 1, 1)
    for settings in (paper.optimiser, judge_of(paper).optimiser):
        assert settings.betas == (0.5, 0.999)
        assert settings.weight_decay == 0.01
        assert settings.clip is None


@pytest.mark.parametrize(("network", "highest", "lowest"), [("generator", 5e-4, 1e-4), ("judge", 1e-4, 1e-5)])
def test_the_rate_is_torchs_cosine_run_past_its_period(
    paper: Preset, network: str, highest: float, lowest: float
) -> None:
    settings = paper.optimiser if network == "generator" else judge_of(paper).optimiser
    optimiser = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=highest)
    torchs = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=50, eta_min=lowest)
    for epoch in range(200):
        for step in (epoch * EPOCH, (epoch + 1) * EPOCH - 1):
            assert learning_rate(settings, step, step / paper.steps) == pytest.approx(torchs.get_last_lr()[0], rel=1e-6)
        optimiser.step()
        torchs.step()


def test_the_rates_that_were_published(paper: Preset) -> None:
    rates = [learning_rate(paper.optimiser, epoch * EPOCH, 0.0) for epoch in (0, 25, 50, 75, 100)]
    assert rates == pytest.approx([5e-4, 3e-4, 1e-4, 3e-4, 5e-4])


def test_a_step_is_the_published_one(paper: Preset, make_case: Callable[[str, int], Case]) -> None:
    """One step of the loop against the same step written out: both hinge terms, L1 times ten, AdamW."""
    preset = small(paper)
    batch = training_batch([make_case("a", 1)], preset, 0)
    loop = AdversarialLoop(Fabric(accelerator="cpu", devices=1), preset)
    torch.manual_seed(preset.seed)
    generator, judge = build(preset.network), build(judge_of(preset).network)
    generator.load_state_dict(loop.network.module.state_dict())
    judge.load_state_dict(loop.judge.module.state_dict())
    loop.step(batch, 0, 0.0)

    def adam(network: torch.nn.Module, rate: float) -> torch.optim.Optimizer:
        return torch.optim.AdamW(network.parameters(), rate, betas=(0.5, 0.999), weight_decay=0.01)

    of_generator, of_judge = adam(generator, 5e-4), adam(judge, 1e-4)
    x, y = batch["x"], batch["y"]
    painted = x + generator(x)
    real, fake = judge(torch.cat([x, y], 1)), judge(torch.cat([x, painted.detach()], 1))
    torch.autograd.backward(torch.relu(1 - real).mean() + torch.relu(1 + fake).mean())
    of_judge.step()
    torch.autograd.backward(10 * (y - painted).abs().mean() - judge(torch.cat([x, painted], 1)).mean())
    of_generator.step()

    for ours, published in ((loop.network.module, generator), (loop.judge.module, judge)):
        for one, other in zip(ours.parameters(), published.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_it_trains_and_keeps_no_average(paper: Preset, tmp_path: Path, store: Path) -> None:
    run = Run(small(paper), store, tmp_path / "run")
    run.train()
    last, average = run.loop.network.module, run.loop.average.module
    assert all(torch.equal(a, b) for a, b in zip(last.parameters(), average.parameters(), strict=True))


def test_the_published_crop_is_the_unchanged_middle(paper: Preset, make_case: Callable[[str, int], Case]) -> None:
    case, preset = make_case("a", 1), small(paper)
    vnc = np.asarray(case.array("vnc"))[:, 4:36, 4:36].clip(-1000, 1000)
    slices = {middle: np.abs(vnc[middle]) for middle in range(len(vnc))}
    for seed in range(8):
        stack = synthesis_crop(case, preset, np.random.default_rng(seed))["x"][1] * 1000
        ways = [stack, stack.flip(0), stack.flip(1), stack.flip(0, 1)]
        assert any(np.allclose(way.abs(), image, atol=1e-2) for way in ways for image in slices.values())


def test_mirrors_are_thrown_for_each_axis() -> None:
    crops, rng = torch.arange(4.0).reshape(1, 2, 2), np.random.default_rng(0)
    thrown = [tuple(mirror(crops, rng, 0.5).flatten().tolist()) for _ in range(400)]
    assert len(set(thrown)) == 4
    assert all(thrown.count(way) > 60 for way in set(thrown))
    state = rng.bit_generator.state
    assert torch.equal(mirror(crops, rng, 0.0), crops)
    assert rng.bit_generator.state == state, "a preset without flips must draw the crops it always drew"


def test_without_a_period_the_rate_falls_once() -> None:
    assert learning_rate(Optimiser(lr=1.0, warmup=0, floor=0.0), 10**6, 0.5) == pytest.approx(0.5)
