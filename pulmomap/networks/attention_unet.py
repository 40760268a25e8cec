"""The contrast synthesiser: a 2.5D U-Net with attention gates.

One module for the paper's generator and for ours:

* ``norm="instance"`` with ``predicts="image"`` is the released generator of Enhance-GAN (affine-free instance norm
  everywhere). Its first norm erases the HU scale and no path leads raw HU to the output.
* ``norm="weight"`` (default) has no norm layer: weights are standardised instead, so HU reach every layer and a slice
  gets the same answer whatever the size of the crop around it.

Both end in a linear 1x1 convolution. With ``zero_output`` that convolution starts at zero, for a network that predicts
the *enhancement*: untrained it adds nothing, so training starts at the input and not below it. Where the convolution
makes the whole image (``predicts="image"``), the input is subtracted from it, so that every caller can add the answer
to the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from pulmomap.networks.standardised import StandardConv2d, StandardConv3d

Norm = Literal["weight", "instance"]
Axes = Literal[2, 3]
Predicts = Literal["enhancement", "image"]


@dataclass(frozen=True)
class _Kind:
    """Which convolutions and norms a network is made of."""

    norm: Norm
    axes: Axes

    def plain(self, in_channels: int, out_channels: int, kernel: int) -> nn.Module:
        """A convolution without norm."""
        maker = nn.Conv2d if self.axes == 2 else nn.Conv3d
        return maker(in_channels, out_channels, kernel, padding=kernel // 2)

    def conv(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
        """A convolution and the norm that goes with it, without activation."""
        if self.norm == "weight":
            standard = StandardConv2d if self.axes == 2 else StandardConv3d
            return nn.Sequential(standard(in_channels, out_channels, kernel, stride))
        maker = nn.Conv2d if self.axes == 2 else nn.Conv3d
        return nn.Sequential(
            maker(in_channels, out_channels, kernel, stride, padding=kernel // 2), self.instance(out_channels)
        )

    def instance(self, channels: int) -> nn.Module:
        return nn.InstanceNorm2d(channels) if self.axes == 2 else nn.InstanceNorm3d(channels)

    def block(self, in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
        """Two 3x3 convolutions, each followed by ReLU; the first one may stride."""
        return nn.Sequential(
            self.conv(in_channels, out_channels, 3, stride),
            nn.ReLU(inplace=True),
            self.conv(out_channels, out_channels, 3),
            nn.ReLU(inplace=True),
        )


class AttentionGate(nn.Module):
    """Weights the skip connection by how well it agrees with what the decoder knows.

    Source: Oktay et al., "Attention U-Net", arXiv 1804.03999.
    """

    def __init__(self, kind: _Kind, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.from_decoder = kind.conv(channels, inner, 1)
        self.from_skip = kind.conv(channels, inner, 1)
        score = kind.plain(inner, 1, 1)
        self.score = score if kind.norm == "weight" else nn.Sequential(score, kind.instance(1))

    def forward(self, decoder: Tensor, skip: Tensor) -> Tensor:
        together = torch.relu(self.from_decoder(decoder) + self.from_skip(skip))
        return skip * torch.sigmoid(self.score(together))


class _Up(nn.Module):
    """Doubles the resolution and takes in the gated skip connection."""

    def __init__(self, kind: _Kind, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.upsample = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            kind.conv(in_channels, out_channels, 3),
            nn.ReLU(inplace=True),
        )
        self.gate = AttentionGate(kind, out_channels)
        self.merge = nn.Sequential(kind.conv(2 * out_channels, out_channels, 3), nn.PReLU())

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        raised = self.upsample(below)
        merged: Tensor = self.merge(torch.cat([self.gate(raised, skip), raised], 1))
        return merged


class AttentionUnet(nn.Module):
    """2.5D attention U-Net: adjacent axial slices as channels.

    Input (batch, ``in_channels``, rows, columns), HU clipped to [-1000, 1000] and divided by 1000; output
    (batch, ``out_channels``, rows, columns) in the same unit: the enhancement of the slices, to be added to them.
    Rows and columns must be multiples of :attr:`stride`.

    Args:
        in_channels: adjacent slices in.
        out_channels: slices out.
        channels: width of each level, finest first; each level halves the resolution of the one before.
        norm: see above.
        zero_output: start with an output of zero.
        predicts: what the last convolution makes: the enhancement, or the contrast image itself (as many slices out as
            in).
        axes: 3 for a network of volumes: (batch, ``in_channels``, slices, rows, columns), all sides multiples of
            :attr:`stride`. For comparison with the 2.5D one.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        channels: Sequence[int] = (16, 32, 64, 128, 256),
        *,
        norm: Norm = "weight",
        zero_output: bool = True,
        predicts: Predicts = "enhancement",
        axes: Axes = 2,
    ) -> None:
        super().__init__()
        self.predicts = predicts
        self.stride = 2 ** (len(channels) - 1)
        kind = _Kind(norm, axes)
        self.head = kind.block(in_channels, channels[0], 1)
        if norm == "weight":  # standardised kernels of the first layer would be blind to the HU level
            self.head[0] = kind.plain(in_channels, channels[0], 3)
        self.downs = nn.ModuleList(kind.block(fine, coarse, 2) for fine, coarse in pairwise(channels))
        self.ups = nn.ModuleList(_Up(kind, coarse, fine) for fine, coarse in pairwise(channels))
        self.output = kind.plain(channels[0], out_channels, 1)
        if zero_output:
            for parameter in self.output.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        levels = [self.head(x)]
        for down in self.downs:
            levels.append(down(levels[-1]))
        below = levels.pop()
        for up in reversed(self.ups):
            below = up(below, levels.pop())
        answer: Tensor = self.output(below)
        return answer if self.predicts == "enhancement" else answer - x
