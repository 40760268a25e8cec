"""Losses. Images in network units (HU / 1000); every loss is a mean, so that crop size does not change its scale."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from training.recipe import SegmentationLoss, SynthesisLoss


def vessel_weighted_l1(predicted: Tensor, target: Tensor, gain: Tensor, settings: SynthesisLoss) -> Tensor:
    """L1 that counts the voxels brightened by the contrast agent more.

    Args:
        predicted, target: any one shape, network units.
        gain: CECT - input of the same shape, HU.
        settings: weight and threshold.
    """
    weight = 1.0 + (settings.vessel_weight - 1.0) * (gain.abs() > settings.vessel_hu)
    return ((predicted - target).abs() * weight).sum() / weight.sum()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of the discriminator on logits."""
    return F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """Adversarial loss of the generator on the discriminator's logits."""
    return -fake.mean()


def soft_dice(logits: Tensor, target: Tensor) -> Tensor:
    """1 - mean Dice of the foreground classes, counted over the whole batch.

    Over the batch, because a crop without veins would otherwise score 0 or 1 by a hair.

    Args:
        logits: (batch, classes, *spatial), class 0 is background.
        target: (batch, *spatial) int64.
    """
    probability = logits.softmax(1)[:, 1:]
    truth = torch.stack([target == label for label in range(1, logits.shape[1])], 1).to(probability.dtype)
    axes = [0, *range(2, logits.ndim)]
    overlap = (probability * truth).sum(axes)
    total = probability.sum(axes) + truth.sum(axes)
    return 1.0 - ((2.0 * overlap + 1.0) / (total + 1.0)).mean()


def thinness(target: Tensor, reach: int = 9) -> Tensor:
    """How alone a vessel voxel is: 0 inside trunks and in the background, towards 1 on the thinnest branches.

    One minus four times the share of vessel in a cube of ``reach`` voxels: a branch of 2 mm diameter fills about 4 %
    of a 9 mm cube, a trunk a quarter and more.
    """
    vessel = (target > 0)[:, None].float()
    share = vessel
    for kernel in ((reach, 1, 1), (1, reach, 1), (1, 1, reach)):  # a box is separable
        share = F.avg_pool3d(share, kernel, stride=1, padding=tuple(k // 2 for k in kernel))
    return (vessel * (1.0 - 4.0 * share).clamp(min=0.0))[:, 0]


def segmentation_loss(logits: Tensor, target: Tensor, settings: SegmentationLoss) -> Tensor:
    """Cross entropy, heavier on thin vessels, plus batch Dice."""
    weight = 1.0 + settings.small_vessel_weight * thinness(target)
    entropy = (F.cross_entropy(logits, target, reduction="none") * weight).sum() / weight.sum()
    return entropy + settings.dice_weight * soft_dice(logits, target)
