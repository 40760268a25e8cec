"""Thin slices from thick ones: image error, and the error of what a vessel filter sees."""

from __future__ import annotations

import torch
from torch import Tensor

from pulmomap.imaging.vesselness import tube_likeness
from training.data import HU_UNIT, Batch
from training.loops.supervised import SupervisedLoop


class SliceLoop(SupervisedLoop):
    """Trains :class:`pulmomap.networks.i2sr.I2sr`."""

    def loss(self, batch: Batch) -> Tensor:
        settings, truth = self.preset.super_resolution, batch["y"]
        thin = self.network(batch["x"][:, None], batch["place"])[:, 0].float()
        loss = self._error(thin - truth)
        if settings.vesselness_weight:
            with torch.no_grad():
                wanted = self._vessels(truth)
            loss = loss + settings.vesselness_weight * self._error(self._vessels(thin) - wanted)
        return loss

    def _vessels(self, thin: Tensor) -> Tensor:
        return tube_likeness(thin * HU_UNIT, (1.0, 1.0, 1.0), self.preset.super_resolution.vesselness_mm)

    def _error(self, difference: Tensor) -> Tensor:
        return difference.square().mean() if self.preset.super_resolution.squared else difference.abs().mean()

    def predict(self, x: Tensor, *more: Tensor) -> Tensor:
        """The thin slices (n, rows, columns) of thick ones (k, rows, columns) at places (n,), network units."""
        return super().predict(x[None], *more)[0]
