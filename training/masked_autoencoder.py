"""A segmenter's encoder with a light decoder that paints what is hidden. The decoder is thrown away afterwards.

Source: SparK (see :mod:`pulmomap.networks.masked_convolution`): a learned token fills the holes of every level, a
projection takes each level into the decoder. Ours: transposed convolutions of two, GELU, no norms.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pulmomap.networks.masked_convolution import at_size, masked_convolutions
from training.recipe import Masking, NetworkSpec, build


class Encoder(Protocol):
    """What a segmenter must offer to be pretrained."""

    stride: int
    channels: tuple[int, ...]

    def encode(self, x: Tensor) -> list[Tensor]: ...


class MaskedAutoencoder(nn.Module):
    """Paints the hidden part of an image.

    Input (batch, channels, slices, rows, columns) in network units, and (batch, 1, *blocks) bool, what is visible.
    Output (batch, images, slices, rows, columns): the images that the segmenter looks at.

    Args:
        network: the segmenter whose encoder learns, as in its own recipe.
        width: channels of the decoder at the finest level; each level below has twice as many, up to eight times.
    """

    def __init__(self, network: NetworkSpec, width: int = 16) -> None:
        super().__init__()
        self.network = build(network)
        encoder = cast(Encoder, self.network)
        self.stride = encoder.stride
        widths = [width * 2 ** min(level, 3) for level in range(len(encoder.channels))]
        sizes = [3] * (len(widths) - 1) + [1]
        self.tokens = nn.ParameterList(nn.Parameter(torch.zeros(1, c, 1, 1, 1)) for c in encoder.channels)
        self.projections = nn.ModuleList(
            nn.Conv3d(features, wide, size, padding=size // 2)
            for features, wide, size in zip(encoder.channels, widths, sizes, strict=True)
        )
        self.ups = nn.ModuleList(nn.ConvTranspose3d(below, above, 2, stride=2) for above, below in pairwise(widths))
        self.blocks = nn.ModuleList(nn.Conv3d(above, above, 3, padding=1) for above in widths[:-1])
        # What the encoder is not shown it need not paint.
        images = int(network["images"] if "images" in network else network["in_channels"])
        self.output = nn.Conv3d(width, images, 1)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        with masked_convolutions(self.network, visible):
            features = cast(Encoder, self.network).encode(x * at_size(visible, x.shape[2:]).to(x.dtype))
        levels = []
        for feature, token, projection in zip(features, self.tokens, self.projections, strict=True):
            seen = at_size(visible, feature.shape[2:]) > 0
            levels.append(projection(torch.where(seen, feature, token.to(feature.dtype))))
        painted = levels.pop()
        for up, block in zip(reversed(self.ups), reversed(self.blocks), strict=True):
            painted = F.gelu(block(F.gelu(up(painted) + levels.pop())))
        answer: Tensor = self.output(painted)
        return answer


def in_blocks(x: Tensor, grid: tuple[int, ...]) -> Tensor:
    """(batch, channels, *spatial) as (batch, channels, blocks, voxels)."""
    batch, channels = x.shape[:2]
    sides = [side // blocks for side, blocks in zip(x.shape[2:], grid, strict=True)]
    split = x.reshape(batch, channels, grid[0], sides[0], grid[1], sides[1], grid[2], sides[2])
    return split.permute(0, 1, 2, 4, 6, 3, 5, 7).reshape(batch, channels, grid[0] * grid[1] * grid[2], -1)


def normalised(blocks: Tensor, noise: float) -> Tensor:
    """Each block less its mean, over its standard deviation: what to paint is structure, not brightness.

    Args:
        blocks: (..., voxels), network units.
        noise: network units; a block that varies less is not blown up to unit variance.
    """
    mean, variance = blocks.mean(-1, keepdim=True), blocks.var(-1, keepdim=True)
    return (blocks - mean) / (variance + noise**2).sqrt()


def hidden_error(painted: Tensor, image: Tensor, visible: Tensor, settings: Masking) -> Tensor:
    """Mean squared error over the hidden blocks.

    Args:
        painted, image: (batch, channels, *spatial), network units; the image may have more channels than are painted.
            Where ``settings.normalised``, each block less its mean over its standard deviation is to be painted.
        visible: (batch, 1, *blocks) bool.
        settings: of the masking.
    """
    grid = tuple(visible.shape[2:])
    truth = in_blocks(image[:, : painted.shape[1]], grid)
    if settings.normalised:
        truth = normalised(truth, settings.noise)
    error = (in_blocks(painted, grid) - truth).square().mean((1, 3))
    hidden = ~visible.flatten(1)
    return (error * hidden).sum() / hidden.sum().clamp(min=1)
