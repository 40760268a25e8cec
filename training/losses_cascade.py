"""The loss of the HiPaS cascade: level-weighted Dice and artery/vein overlap at every stage."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from training.recipe import CascadeLoss

TINY = 1e-5


def stage_loss(logits: Tensor, probability: Tensor, labels: Tensor, levels: Tensor, settings: CascadeLoss) -> Tensor:
    """What one stage did wrong; its level is the deepest of ``levels`` that it must find.

    Args:
        logits: of PA and PV, (batch, 2, *spatial).
        probability: of PA and PV, the same shape.
        labels: 0 background, 1 PA, 2 PV, (batch, *spatial) int64; vessels the stage need not find are background.
        levels: 0 to 3 in vessels, same shape.
    """
    truth = torch.stack([labels == 1, labels == 2], 1)
    loss = level_dice(probability, truth, levels, settings.largest_weight)
    loss = loss + settings.overlap_weight * overlap(probability, truth)
    if settings.entropy_weight:
        classes = torch.cat([torch.zeros_like(logits[:, :1]), logits], 1)
        loss = loss + settings.entropy_weight * F.cross_entropy(classes, labels)
    return loss


def level_dice(probability: Tensor, truth: Tensor, levels: Tensor, largest: float) -> Tensor:
    """Sum over PA and PV and their levels i of w_i (1/2 - P_i T_i / (P_i + T_i)), counted over the whole batch.

    The published terms -w_i P_i T_i / (P_i + T_i), plus a constant that makes the loss zero at the truth. T_i are the
    vessels of level i alone, w_i = |T_0| / |T_i|. Read here: P_i is the answer outside the vessels of the other levels,
    so that a stage is charged for what it lost of the levels above and can mend it; w_i is kept in [1, ``largest``],
    and a level that the batch does not hold is left out.

    Args:
        probability: of PA and PV, (batch, 2, *spatial).
        truth: the same shape, bool.
        levels: (batch, *spatial).
        largest: weight of a level.
    """
    axes = [0, *range(2, truth.ndim)]
    loss = probability.new_zeros(())
    first = (truth & (levels == 0)[:, None]).sum(axes)
    for level in range(int(levels.max()) + 1):
        here = truth & (levels == level)[:, None]
        size = here.sum(axes)
        answer = probability * ~(truth & ~here)
        dice = (answer * here).sum(axes) / (answer.sum(axes) + size + TINY)
        weight = (first / size.clamp(min=1)).clamp(1.0, largest) * (size > 0)
        loss = loss + (weight * (0.5 - dice)).sum()
    return loss


def overlap(probability: Tensor, truth: Tensor) -> Tensor:
    """(P_A T_V + P_V T_A) / (P + T): 0 where no artery is called a vein, about 1/2 where all are.

    Args:
        probability, truth: as in :func:`level_dice`.
    """
    mistaken = (probability * truth.flip(1)).sum()
    return mistaken / (probability.sum() + truth.sum() + TINY)
