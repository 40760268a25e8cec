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
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from pulmomap.networks.standardised import StandardConv2d

Norm = Literal["weight", "instance"]
Predicts = Literal["enhancement", "image"]


def _conv(norm: Norm, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """A convolution and the norm that goes with it, without activation."""
    if norm == "weight":
        return nn.Sequential(StandardConv2d(in_channels, out_channels, kernel, stride))
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2), nn.InstanceNorm2d(out_channels)
    )


def _block(norm: Norm, in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """Two 3x3 convolutions, each followed by ReLU; the first one may stride."""
    return nn.Sequential(
        _conv(norm, in_channels, out_channels, 3, stride),
        nn.ReLU(inplace=True),
        _conv(norm, out_channels, out_channels, 3),
        nn.ReLU(inplace=True),
    )


class AttentionGate(nn.Module):
    """Weights the skip connection by how well it agrees with what the decoder knows.

    Source: Oktay et al., "Attention U-Net", arXiv 1804.03999.
    """

    def __init__(self, norm: Norm, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.from_decoder = _conv(norm, channels, inner, 1)
        self.from_skip = _conv(norm, channels, inner, 1)
        self.score = (
            nn.Conv2d(inner, 1, 1) if norm == "weight" else nn.Sequential(nn.Conv2d(inner, 1, 1), nn.InstanceNorm2d(1))
        )

    def forward(self, decoder: Tensor, skip: Tensor) -> Tensor:
        together = torch.relu(self.from_decoder(decoder) + self.from_skip(skip))
        return skip * torch.sigmoid(self.score(together))


class _Up(nn.Module):
    """Doubles the resolution and takes in the gated skip connection."""

    def __init__(self, norm: Norm, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.upsample = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            _conv(norm, in_channels, out_channels, 3),
            nn.ReLU(inplace=True),
        )
        self.gate = AttentionGate(norm, out_channels)
        self.merge = nn.Sequential(_conv(norm, 2 * out_channels, out_channels, 3), nn.PReLU())

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
    ) -> None:
        super().__init__()
        self.predicts = predicts
        self.stride = 2 ** (len(channels) - 1)
        self.head = _block(norm, in_channels, channels[0], 1)
        if norm == "weight":  # standardised kernels of the first layer would be blind to the HU level
            self.head[0] = nn.Conv2d(in_channels, channels[0], 3, padding=1)
        self.downs = nn.ModuleList(_block(norm, fine, coarse, 2) for fine, coarse in pairwise(channels))
        self.ups = nn.ModuleList(_Up(norm, coarse, fine) for fine, coarse in pairwise(channels))
        self.output = nn.Conv2d(channels[0], out_channels, 1)
        if zero_output:
            nn.init.zeros_(self.output.weight)
            nn.init.zeros_(self.output.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        levels = [self.head(x)]
        for down in self.downs:
            levels.append(down(levels[-1]))
        below = levels.pop()
        for up in reversed(self.ups):
            below = up(below, levels.pop())
        answer: Tensor = self.output(below)
        return answer if self.predicts == "enhancement" else answer - x
