"""The vessel segmenter in two stages: a deep network looks from afar, a light one draws on the finest grid.

What tells an artery from a vein is where it comes from, and that is as plain on a coarse grid. Where a thin vessel
runs is told by the few voxels around it, on the finest grid only. So the depth is spent at one and a half times the
voxel side, where it costs a third, and what it says is handed to a network that sees a few millimetres at full
resolution.

The idea of a coarse stage whose answer is shown to a fine one is that of HiPaS's own later two-stage form
(:mod:`pulmomap.networks.hipas`); networks, ratio and the sum of evidence are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pulmomap.networks.vessel_unet import VesselUnet

# Fine voxels on one coarse voxel: 3 on 2, so that 24 fine voxels are 16 coarse ones, the stride of five levels.
FINE, COARSE = 3, 2
# The coarse stage never rules a class out: a vessel too thin for its grid must cost the fine one no more than this.
LEAST = 0.02


class CoarseToFine(nn.Module):
    """Two 3D residual U-Nets, one after the other.

    Input (batch, ``in_channels``, slices, rows, columns): NCCT and Syn-CECT, HU clipped to [-1000, 1000] and divided by
    1000. Output (batch, ``out_channels``, slices, rows, columns): logits of background, PA, PV. Every side must be a
    multiple of :attr:`stride`.

    Args:
        in_channels: images in.
        out_channels: classes.
        coarse: width of each level of the coarse stage, as in :class:`VesselUnet`.
        fine: of the fine stage. Its last layer starts at zero: untrained, the answer is the coarse stage's.

    Raises:
        ValueError: the strides of the two stages do not fit on one another.
    """

    def __init__(
        self,
        in_channels: int = 2,
        out_channels: int = 3,
        coarse: Sequence[int] = (16, 32, 64, 96, 128),
        fine: Sequence[int] = (8, 16, 32),
    ) -> None:
        super().__init__()
        stride, rest = divmod(2 ** (len(coarse) - 1) * FINE, COARSE)
        if rest or stride % 2 ** (len(fine) - 1) or len(fine) < 2:
            raise ValueError(f"a coarse stage of {len(coarse)} levels and a fine one of {len(fine)} share no grid")
        self.coarse = VesselUnet(in_channels, out_channels, coarse)
        self.fine = VesselUnet(in_channels + out_channels - 1, out_channels, fine)
        nn.init.zeros_(self.fine.output.weight)
        nn.init.zeros_(self.fine.output.bias)  # type: ignore[arg-type]  # a convolution with a bias has one
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        # Factors, not sizes: traced with one shape, the network must still run on another. A side times two thirds must
        # not fall short of a whole number by a rounding error.
        factor = COARSE / FINE + 1e-6
        small = F.interpolate(x, scale_factor=factor, mode="trilinear", recompute_scale_factor=True)
        seen = F.interpolate(self.coarse(small), scale_factor=FINE / COARSE, mode="trilinear")
        prior = seen.softmax(1).clamp(min=LEAST)
        logits: Tensor = prior.log() + self.fine(torch.cat([x, prior[:, 1:]], 1))
        return logits

    def encoder_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The coarse stage's part of another such network's weights, or all weights of one that is the coarse stage."""
        own = {name: weight for name, weight in weights.items() if name.startswith("coarse.")}
        return own or {f"coarse.{name}": weight for name, weight in weights.items()}
