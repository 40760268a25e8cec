"""The generator and its adversary: hinge GAN + vessel-weighted L1, one fake for both updates."""

from __future__ import annotations

from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from training.data import Batch
from training.loops.supervised import Figures, SupervisedLoop, make_optimiser
from training.losses import hinge_discriminator, hinge_generator, vessel_weighted_l1
from training.recipe import Adversary, Preset, build


class AdversarialLoop(SupervisedLoop):
    """Trains the contrast synthesiser. The generator's output is the enhancement, added to its input."""

    def __init__(self, fabric: Fabric, preset: Preset) -> None:
        super().__init__(fabric, preset)
        self.adversary = preset.adversary
        if self.adversary is not None:
            judge = build(self.adversary.network)
            self.judge, self.judge_optimiser = fabric.setup(judge, make_optimiser(judge, self.adversary.optimiser))

    def step(self, batch: Batch, step: int, progress: float) -> Figures:
        x, y = batch["x"], batch["y"]
        fake = x + self.network(x)
        error = vessel_weighted_l1(fake, y, batch["gain"], self.preset.synthesis)
        figures = {"loss": error.item()}
        loss = self.preset.synthesis.weight * error
        if self.adversary is not None and (share := _share(self.adversary, progress)) > 0:
            shown, real, painted = (self._window(image, step) for image in (x, y, fake))
            real_pair, fake_pair = torch.cat([shown, real], 1), torch.cat([shown, painted], 1)
            figures["judge"] = self._teach(self.adversary, real_pair, fake_pair.detach(), step, progress)
            fooled = hinge_generator(self._judged(fake_pair))
            figures["fooled"] = fooled.item()
            loss = loss + share * self.adversary.weight * fooled
        self.update(self.network, self.optimiser, loss, self.preset.optimiser, step, progress)
        self.average.update_parameters(self.network.module)
        return figures

    def _teach(self, adversary: Adversary, real: Tensor, fake: Tensor, step: int, progress: float) -> float:
        self.judge.requires_grad_(True)
        loss = hinge_discriminator(self.judge(real), self.judge(fake))
        self.update(self.judge, self.judge_optimiser, loss, adversary.optimiser, step, progress)
        return loss.item()

    def _judged(self, pair: Tensor) -> Tensor:
        """Logits for the generator, past the wrapper: the discriminator learns nothing here that is to be shared."""
        self.judge.requires_grad_(False)
        with self.fabric.autocast():
            logits: Tensor = self.judge.module(pair)
        return logits.float()

    def _window(self, image: Tensor, step: int) -> Tensor:
        """A smaller patch of a few slices for the discriminator, at a place that wanders from step to step."""
        assert self.adversary is not None  # noqa: S101 - for the type checker
        count, rows, columns = image.shape[-3:]
        depth, size = min(self.adversary.slices, count), min(self.adversary.size, rows, columns)
        row, column = (step * 37) % (rows - size + 1), (step * 61) % (columns - size + 1)
        first = (step * 17) % (count - depth + 1)
        return image[..., first : first + depth, row : row + size, column : column + size]

    def predict(self, x: Tensor, *more: Tensor) -> Tensor:
        """The Syn-CECT of one unbatched stack, network units."""
        return x + super().predict(x, *more)

    def state(self) -> dict[str, Any]:
        if self.adversary is None:
            return super().state()
        judge = {"judge": self.judge.state_dict(), "judge_optimiser": self.judge_optimiser.state_dict()}
        return super().state() | judge

    def load(self, state: dict[str, Any]) -> None:
        super().load(state)
        if self.adversary is not None:
            self.judge.load_state_dict(state["judge"])
            self.judge_optimiser.load_state_dict(state["judge_optimiser"])


def _share(adversary: Adversary, progress: float) -> float:
    """Part of the adversarial weight that is in force: 0 before ``start``, 1 after the ramp."""
    if progress < adversary.start:
        return 0.0
    return min(1.0, (progress - adversary.start) / adversary.ramp) if adversary.ramp else 1.0
