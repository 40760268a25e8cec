"""Every stage of a cascade is told its own mistakes, in one step."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from pulmomap.networks.hipas import Hipas
from training.data import Batch
from training.loops.supervised import SupervisedLoop
from training.losses_cascade import stage_loss
from training.losses_skeleton import skeleton_recall


class CascadeLoop(SupervisedLoop):
    """Trains :class:`pulmomap.networks.hipas.Hipas`."""

    def loss(self, batch: Batch) -> Tensor:
        settings = self.preset.cascade
        assert settings is not None  # noqa: S101 - for the type checker
        network = cast(Hipas, self.network.module)
        stages = self.network(batch["x"]).float().unbind(1)
        loss = torch.zeros((), device=stages[0].device)
        for deepest, logits in zip(settings.levels, stages, strict=True):
            labels = batch["y"] * (batch["level"] <= deepest)
            loss = loss + stage_loss(logits, network.probabilities(logits), labels, batch["level"], settings)
        if self.preset.segmentation.skeleton_weight:
            recall = skeleton_recall(network.probabilities(stages[-1]), batch["skeleton"])
            loss = loss + self.preset.segmentation.skeleton_weight * recall
        return loss
