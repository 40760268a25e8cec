"""One stage of the HiPaS cascade: a 3D U-Net of wide-bottleneck blocks that is told what the stage before found.

Source: Chu et al., "Deep learning-driven pulmonary artery and vein segmentation reveals demography-associated
vasculature anatomical differences", Nature Communications 2025 (HiPaS); widths, blocks and their order as released, the
entry of the prior map as published: two convolutions around which the prior passes, beside the images.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

VESSELS = 2  # PA, PV
WIDENING = 4
LEVELS = 4  # halvings of the resolution


class _Bottleneck(nn.Module):
    """Depthwise convolution, norm per channel, then two 1x1x1 convolutions by way of ``hidden`` channels."""

    def __init__(self, spatial: nn.Module, channels: int, hidden: int, out_channels: int) -> None:
        super().__init__()
        self.spatial = spatial
        self.norm = nn.GroupNorm(channels, channels)
        self.widen = nn.Conv3d(channels, hidden, 1)
        self.narrow = nn.Conv3d(hidden, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.narrow(F.gelu(self.widen(self.norm(self.spatial(x))))))


class _Block(nn.Module):
    """A bottleneck, concatenated with its input, then one 3x3x3 convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        spatial = nn.Conv3d(in_channels, in_channels, 3, padding=1, groups=in_channels)
        self.inner = _Bottleneck(spatial, in_channels, WIDENING * out_channels, in_channels)
        self.fuse = nn.Conv3d(2 * in_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.fuse(torch.cat([x, self.inner(x)], 1))
        return answer


class _Down(nn.Module):
    """Halves the resolution and doubles the channels: a strided shortcut beside a strided bottleneck."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        spatial = nn.Conv3d(channels, channels, 3, stride=2, padding=1, groups=channels)
        self.inner = _Bottleneck(spatial, channels, WIDENING * channels, channels)
        self.shortcut = nn.Conv3d(channels, channels, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.shortcut(x), self.inner(x)], 1)


class _Up(nn.Module):
    """Doubles the resolution, halves the channels, takes the skip connection in by one block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        spatial = nn.ConvTranspose3d(channels, channels, 2, stride=2, groups=channels)
        self.inner = _Bottleneck(spatial, channels, WIDENING * channels, half)
        self.shortcut = nn.ConvTranspose3d(channels, half, 2, stride=2)
        self.fuse = nn.Conv3d(channels, half, 3, padding=1)
        self.block = _Block(channels, half)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        fine = self.fuse(torch.cat([self.shortcut(below), self.inner(below)], 1))
        answer: Tensor = self.block(torch.cat([fine, skip], 1))
        return answer


class _Encoder(nn.Module):
    """Features at five resolutions, finest first."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(LEVELS)]
        self.stem = nn.Conv3d(in_channels, width, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(channels, channels) for channels in widths)
        self.downs = nn.ModuleList(_Down(channels) for channels in widths)
        self.deepest = nn.Conv3d(2 * widths[-1], 2 * widths[-1], 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        features = []
        for block, down in zip(self.blocks, self.downs, strict=True):
            features.append(block(x))
            x = down(features[-1])
        return [*features, self.deepest(x)]


class PriorEntry(nn.Module):
    """The published C_T: two 3x3x3 convolutions around which the prior map passes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(VESSELS, VESSELS, 3, padding=1)
        self.second = nn.Conv3d(VESSELS, VESSELS, 3, padding=1)

    def forward(self, prior: Tensor) -> Tensor:
        answer: Tensor = prior + self.second(F.gelu(self.first(prior)))
        return answer


class SaliencyUnet(nn.Module):
    """The U-Net of a stage, without its prior: (batch, ``in_channels``, ...) -> (batch, ``out_channels``, ...) logits.

    Args:
        in_channels, out_channels: maps in and out.
        width: channels at full resolution; each of the four levels below has twice as many.
    """

    stride: ClassVar[int] = 2**LEVELS

    @staticmethod
    def channels(width: int) -> tuple[int, ...]:
        """Features of each level, finest first."""
        return tuple(width * 2**level for level in range(LEVELS + 1))

    def __init__(self, in_channels: int, out_channels: int, width: int) -> None:
        super().__init__()
        self.encoder = _Encoder(in_channels, width)
        self.ups = nn.ModuleList(_Up(width * 2**level) for level in range(LEVELS, 0, -1))
        self.output = nn.Conv3d(width, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        features: list[Tensor] = self.encoder(x)
        x = features.pop()
        for up in self.ups:
            x = up(x, features.pop())
        logits: Tensor = self.output(x)
        return logits


class SaliencyStage(nn.Module):
    """One stage: images, their vesselness and the prior map in, logits of PA and PV out.

    Args:
        in_channels: images and vesselness maps.
        width: of the U-Net.
    """

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.prior = PriorEntry()
        self.unet = SaliencyUnet(in_channels + VESSELS, VESSELS, width)

    def forward(self, shown: Tensor, prior: Tensor) -> Tensor:
        """Logits (batch, 2, *sides) of ``shown`` (batch, in_channels, *sides) and ``prior`` (batch, 2, *sides)."""
        logits: Tensor = self.unet(torch.cat([shown, self.prior(prior)], 1))
        return logits
