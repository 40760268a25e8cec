"""The cascade's loss: values worked out by hand, and gradients."""

from __future__ import annotations

import pytest
import torch

from training.losses_cascade import level_dice, overlap, stage_loss
from training.recipe import CascadeLoss


def line(values: list[float]) -> torch.Tensor:
    """A volume of one row."""
    return torch.tensor(values, dtype=torch.float64)[None, None, None]


def maps(artery: list[float], vein: list[float]) -> torch.Tensor:
    return torch.stack([line(artery)[0], line(vein)[0]])[None]


def test_level_dice_by_hand() -> None:
    # Four artery voxels of level 0, one of level 1, no vein; w_1 = 4.
    truth = maps([1, 1, 1, 1, 1, 0], [0] * 6) > 0
    levels = line([0, 0, 0, 0, 1, 0]).long()
    answer = maps([1, 1, 1, 0, 0.5, 0.5], [0] * 6)
    trunk = 0.5 - 3 / (3 + 0.5 + 4)  # what it says of the other level's voxel is not charged here
    branch = 0.5 - 0.5 / (0.5 + 0.5 + 1)
    assert level_dice(answer, truth, levels, 50.0).item() == pytest.approx(trunk + 4 * branch, abs=1e-4)
    assert level_dice(answer, truth, levels, 2.0).item() == pytest.approx(trunk + 2 * branch, abs=1e-4)


def test_a_level_larger_than_the_first_still_weighs_one() -> None:
    truth = maps([1, 1, 1, 0], [0] * 4) > 0
    levels = line([0, 1, 1, 0]).long()
    nothing = torch.zeros_like(truth, dtype=torch.float64)
    assert level_dice(nothing, truth, levels, 50.0).item() == pytest.approx(0.5 + 0.5)


def test_a_level_that_is_not_there_is_left_out() -> None:
    truth = maps([0, 0, 1, 0], [0] * 4) > 0
    levels = line([0, 0, 2, 0]).long()
    assert level_dice(truth.double(), truth, levels, 50.0).item() == pytest.approx(0, abs=1e-4)
    assert level_dice(torch.zeros_like(truth), truth, levels, 50.0).item() == pytest.approx(0.5)


def test_overlap_by_hand() -> None:
    truth = maps([1, 1, 0, 0], [0, 0, 1, 1]) > 0
    assert overlap(truth.double(), truth).item() == pytest.approx(0)
    assert overlap(truth.flip(1).double(), truth).item() == pytest.approx(0.5, abs=1e-5)
    half = maps([0.5, 0, 0.25, 0], [0, 0, 0, 1])
    assert overlap(half, truth).item() == pytest.approx(0.25 / (1.75 + 4), abs=1e-5)


def random_case() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (2, 3, 4, 4), generator=generator)
    levels = torch.randint(0, 4, labels.shape, generator=generator)
    logits = torch.randn(2, 2, 3, 4, 4, generator=generator, dtype=torch.float64)
    return logits, labels, levels


def test_gradients_are_the_differences() -> None:
    logits, labels, levels = random_case()
    settings = CascadeLoss(levels=(3,), entropy_weight=0.7)

    def loss(given: torch.Tensor) -> torch.Tensor:
        return stage_loss(given, given.sigmoid(), labels, levels, settings)

    assert torch.autograd.gradcheck(loss, [logits.requires_grad_()])


def test_the_loss_vanishes_at_the_truth_and_nowhere_before() -> None:
    _, labels, levels = random_case()
    truth = torch.stack([labels == 1, labels == 2], 1).double()
    losses = []
    for sure in (0.0, 1.0, 4.0, 40.0):
        logits = (2 * truth - 1) * sure
        losses.append(stage_loss(logits, logits.sigmoid(), labels, levels, CascadeLoss(levels=(3,))).item())
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == pytest.approx(0, abs=1e-4)
    assert losses[0] > 1


def test_every_vessel_level_pulls_at_the_answer() -> None:
    logits, labels, levels = random_case()
    logits.requires_grad_()
    stage_loss(logits, logits.sigmoid(), labels, levels, CascadeLoss(levels=(3,), entropy_weight=0)).backward()
    assert logits.grad is not None
    for vessel in (1, 2):
        for level in range(4):
            here = (labels == vessel) & (levels == level)
            assert (logits.grad[:, vessel - 1][here] < 0).all(), "more probability, less loss"
