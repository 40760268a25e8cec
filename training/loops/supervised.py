"""One network, one loss, one optimiser, one weight average: the loop that the others build on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from training.data import Batch
from training.losses import segmentation_loss
from training.losses_skeleton import skeleton_recall
from training.recipe import Optimiser, Preset, build
from training.start import encoder_weights, take_weights

Figures = dict[str, float]


def learning_rate(settings: Optimiser, step: int, progress: float) -> float:
    """Linear warm-up, and a cosine from ``lr`` to ``lr * floor``: once over the run, or to and fro with a period.

    Args:
        settings: the optimiser's.
        step: counted from 0.
        progress: part of the run that is over, 0 to 1.
    """
    warm = min(1.0, (step + 1) / (settings.warmup + 1))
    turn = min(progress, 1.0) if settings.period is None else (step // settings.epoch) / settings.period
    cosine = 0.5 * (1.0 + math.cos(math.pi * turn))
    return settings.lr * warm * (settings.floor + (1.0 - settings.floor) * cosine)


def make_optimiser(network: nn.Module, settings: Optimiser) -> torch.optim.Optimizer:
    """AdamW; an encoder with a learning rate of its own is a parameter group with a ``rate``."""
    groups: list[dict[str, Any]] = [{"params": list(network.parameters())}]
    if settings.encoder_rate != 1.0:
        named = dict(network.named_parameters())
        encoder = encoder_weights(network, named)
        rest = [parameter for name, parameter in named.items() if name not in encoder]
        for name in encoder:  # a frozen part needs no gradient, which is most of what it costs
            named[name].requires_grad_(settings.encoder_rate > 0)
        groups = [{"params": rest}, {"params": [named[name] for name in encoder], "rate": settings.encoder_rate}]
    return torch.optim.AdamW(groups, settings.lr, betas=settings.betas, weight_decay=settings.weight_decay)


def averaging(decay: float) -> Callable[..., None]:
    """Exponential average whose memory grows with its age, so that a young average is not the random start."""

    @torch.no_grad()
    def update(averages: Sequence[Tensor], currents: Sequence[Tensor], count: Tensor | int) -> None:
        age = float(count)
        weight = 1.0 - min(decay, (1.0 + age) / (10.0 + age))
        torch._foreach_lerp_(list(averages), list(currents), weight)

    return update


class SupervisedLoop:
    """Trains the vessel segmenter.

    Args:
        fabric: device and precision.
        preset: what to build and how to train it.
    """

    def __init__(self, fabric: Fabric, preset: Preset) -> None:
        self.fabric, self.preset = fabric, preset
        torch.manual_seed(preset.seed)
        network = build(preset.network)
        if preset.task != "synthesis":  # a third faster on a CPU; in 2D it makes no difference
            network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.network, self.optimiser = fabric.setup(network, make_optimiser(network, preset.optimiser))
        self.average = AveragedModel(self.network.module, multi_avg_fn=averaging(preset.ema))

    def step(self, batch: Batch, step: int, progress: float) -> Figures:
        """One update of the weights; returns the losses."""
        loss = self.loss(batch)
        self.update(self.network, self.optimiser, loss, self.preset.optimiser, step, progress)
        self.average.update_parameters(self.network.module)
        return {"loss": loss.item()}

    def loss(self, batch: Batch) -> Tensor:
        """What the network did wrong on a batch."""
        settings = self.preset.segmentation
        logits = self.network(batch["x"])
        loss = segmentation_loss(logits, batch["y"], settings)
        if settings.skeleton_weight:
            found = skeleton_recall(logits.float().softmax(1)[:, 1:], batch["skeleton"])
            loss = loss + settings.skeleton_weight * found
        return loss

    def update(
        self,
        network: Any,
        optimiser: Any,
        loss: Tensor,
        settings: Optimiser,
        step: int,
        progress: float,
    ) -> None:
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(settings, step, progress) * group.get("rate", 1.0)
        optimiser.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        if settings.clip is not None:
            self.fabric.clip_gradients(network, optimiser, max_norm=settings.clip)
        optimiser.step()

    @torch.no_grad()
    def predict(self, x: Tensor, *more: Tensor) -> Tensor:
        """The averaged network's float32 answer to one unbatched crop, and to what else it must be told."""
        self.average.eval()
        with self.fabric.autocast():
            answer: Tensor = self.average(*(self.fabric.to_device(one[None]) for one in (x, *more)))
        return answer[0].float().cpu()

    def start_from(self, average: Mapping[str, Any]) -> str:
        """Take the averaged weights of another run; optimiser and schedule start afresh. Returns what was taken."""
        return take_weights(self.network.module, average)

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs to go on exactly."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average.load_state_dict(state["average"])
