from __future__ import annotations

import pytest
import torch

from training.losses import (
    hinge_discriminator,
    hinge_generator,
    segmentation_loss,
    soft_dice,
    thinness,
    vessel_weighted_l1,
)
from training.recipe import SegmentationLoss, SynthesisLoss


def test_hinge_of_an_undecided_judge() -> None:
    zero = torch.zeros(2, 1, 5, 5)
    assert hinge_discriminator(zero, zero).item() == 2
    assert hinge_generator(zero).item() == 0


def test_hinge_of_a_sure_judge() -> None:
    one = torch.ones(2, 1, 5, 5)
    assert hinge_discriminator(one, -one).item() == 0
    assert hinge_discriminator(-one, one).item() == 4
    assert hinge_generator(-one).item() == 1


def test_vessels_weigh_three_times() -> None:
    target, gain = torch.zeros(4), torch.tensor([300.0, 0.0, 0.0, 0.0])
    settings = SynthesisLoss(vessel_weight=3.0, vessel_hu=100.0)
    in_vessel = vessel_weighted_l1(torch.tensor([1.0, 0, 0, 0]), target, gain, settings)
    outside = vessel_weighted_l1(torch.tensor([0, 1.0, 0, 0]), target, gain, settings)
    assert in_vessel.item() == pytest.approx(3 / 6)
    assert outside.item() == pytest.approx(1 / 6)


def test_weight_one_is_plain_l1() -> None:
    predicted, target, gain = torch.randn(3, 50).unbind()
    plain = torch.nn.functional.l1_loss(predicted, target)
    assert vessel_weighted_l1(predicted, target, gain * 1e3, SynthesisLoss(vessel_weight=1)).item() == pytest.approx(
        plain.item()
    )


def _logits(labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(labels, 3).movedim(-1, 1).float() * 40


def test_dice_of_the_truth_is_perfect_and_of_swapped_vessels_is_worst() -> None:
    labels = torch.zeros(2, 4, 6, 6, dtype=torch.int64)
    labels[:, :, 0], labels[:, :, 3] = 1, 2
    swapped = torch.tensor([0, 2, 1])[labels]
    assert soft_dice(_logits(labels), labels).item() == pytest.approx(0, abs=1e-4)
    assert soft_dice(_logits(swapped), labels).item() == pytest.approx(1, abs=0.02)


def test_dice_counts_over_the_batch() -> None:
    labels = torch.zeros(2, 1, 4, 4, dtype=torch.int64)
    labels[0, :, 0], labels[0, :, 1] = 1, 2  # the second crop has no vessel
    assert soft_dice(_logits(labels), labels).item() == pytest.approx(0, abs=1e-4)


def test_thin_branches_weigh_more_than_trunks() -> None:
    labels = torch.zeros(1, 32, 32, 32, dtype=torch.int64)
    labels[0, :, 4:6, 4:6] = 1
    labels[0, :, 12:28, 12:28] = 2
    weight = thinness(labels)
    assert weight[0, 16, 4, 4] > 0.7
    assert weight[0, 16, 20, 20] == 0
    assert weight[labels == 0].max() == 0


def test_the_segmentation_loss_falls_towards_the_truth() -> None:
    labels = torch.zeros(1, 12, 12, 12, dtype=torch.int64)
    labels[0, :, 2:4], labels[0, :, 5:7] = 1, 2
    losses = [segmentation_loss(_logits(labels) * k, labels, SegmentationLoss()).item() for k in (0, 0.05, 0.2, 1)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == pytest.approx(0, abs=1e-3)
