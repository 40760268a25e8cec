"""The vessel segmenter: a 3D residual U-Net whose work is done at half resolution and below.

A lung box at 1 mm holds up to 29 million voxels, and a convolution there costs eight times one at 2 mm. So the
finest level is light (one convolution in, one out): it keeps edges and the thinnest vessels where they are. The levels
below carry the capacity, and five levels see far enough to follow a vessel towards the hilum, which is what tells an
artery from a vein.

No norm layer: weights are standardised instead, so a voxel gets the same answer in a tile and in the whole volume.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from pulmomap.networks.standardised import StandardConv3d


class _Residual(nn.Module):
    """Two 3x3x3 convolutions around which the input passes; they start silent."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = StandardConv3d(channels, channels, 3)
        self.second = StandardConv3d(channels, channels, 3, gain=0.0)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class _Down(nn.Module):
    """Halves the resolution, then one residual block."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.halve = StandardConv3d(in_channels, out_channels, 2, 2)
        self.block = _Residual(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        deep: Tensor = self.block(torch.relu(self.halve(x)))
        return deep


class _Up(nn.Module):
    """Doubles the resolution, adds the skip connection, then one residual block."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose3d(in_channels, out_channels, 2, 2)
        self.block = _Residual(out_channels)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        fine: Tensor = self.block(torch.relu(self.upsample(below) + skip))
        return fine


class VesselUnet(nn.Module):
    """3D residual U-Net for arteries and veins.

    Input (batch, ``in_channels``, slices, rows, columns): NCCT and Syn-CECT, HU clipped to [-1000, 1000] and divided by
    1000. Output (batch, ``out_channels``, slices, rows, columns): logits of background, PA, PV. Every side must be a
    multiple of :attr:`stride`.

    Args:
        in_channels: images in.
        out_channels: classes.
        channels: width of each level, finest first; each level halves the resolution of the one before.
    """

    def __init__(
        self, in_channels: int = 2, out_channels: int = 3, channels: Sequence[int] = (16, 32, 64, 128, 144)
    ) -> None:
        super().__init__()
        self.stride = 2 ** (len(channels) - 1)
        self.channels = tuple(channels)
        self.head = nn.Conv3d(in_channels, channels[0], 3, padding=1)
        self.downs = nn.ModuleList(_Down(fine, coarse) for fine, coarse in pairwise(channels))
        self.ups = nn.ModuleList(_Up(coarse, fine) for fine, coarse in list(pairwise(channels))[1:])
        self.upsample = nn.ConvTranspose3d(channels[1], channels[0], 2, 2)
        self.refine = StandardConv3d(channels[0], channels[0], 3)
        self.output = nn.Conv3d(channels[0], out_channels, 1)

    def encode(self, x: Tensor) -> list[Tensor]:
        """Features of every level, finest first."""
        levels = [torch.relu(self.head(x))]
        for down in self.downs:
            levels.append(down(levels[-1]))
        return levels

    def encoder_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The part of another such network's weights that :meth:`encode` uses, by our own names."""
        return {name: weight for name, weight in weights.items() if name.startswith(("head.", "downs."))}

    def forward(self, x: Tensor) -> Tensor:
        levels = self.encode(x)
        finest, x = levels[0], levels.pop()
        for up in reversed(self.ups):
            x = up(x, levels.pop())
        x = torch.relu(self.refine(torch.relu(self.upsample(x) + finest)))
        logits: Tensor = self.output(x)
        return logits
