"""Pretraining: paint what is hidden."""

from __future__ import annotations

from torch import Tensor

from training.data import Batch
from training.loops.supervised import SupervisedLoop
from training.masked_autoencoder import hidden_error


class MaskedLoop(SupervisedLoop):
    """Trains :class:`training.masked_autoencoder.MaskedAutoencoder`."""

    def loss(self, batch: Batch) -> Tensor:
        painted = self.network(batch["x"], batch["visible"]).float()
        return hidden_error(painted, batch["x"], batch["visible"], self.preset.masking)
