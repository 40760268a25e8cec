"""nnU-Net's U-Nets, so that its checkpoints run here (Isensee et al., Nature Methods 2021; arXiv 2404.09556).

The same networks as ``PlainConvUNet`` and ``ResidualEncoderUNet`` of the package ``dynamic_network_architectures``,
with the same names of weights, and with nnU-Net's normalisation of CT as their first step. Written anew because that
package brings timm and torchvision along; that both give the same answers is tested wherever nnU-Net is installed.

They hold instance norms: the answer at a voxel depends on the whole window. So windows must be as large as in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

Triple = Sequence[int]
EPSILON = 1e-5  # of the instance norms
SLOPE = 0.01  # of the leaky ReLUs


@dataclass(frozen=True)
class _Level:
    """One resolution: channels, convolution kernel, stride towards it, blocks in the encoder."""

    channels: int
    kernel: Triple
    stride: Triple
    blocks: int


class _Convolution(nn.Module):
    """Convolution, instance norm and, unless told otherwise, leaky ReLU."""

    def __init__(
        self, fan_in: int, fan_out: int, kernel: Triple, stride: Triple, bias: bool, *, linear: bool = False
    ) -> None:
        super().__init__()
        padding = [(side - 1) // 2 for side in kernel]
        self.conv = nn.Conv3d(fan_in, fan_out, list(kernel), list(stride), padding, bias=bias)  # type: ignore[arg-type]
        self.norm = nn.InstanceNorm3d(fan_out, EPSILON, affine=True)
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return x if self.linear else nn.functional.leaky_relu(x, SLOPE)


class _Stack(nn.Module):
    """Convolutions one after the other, the first with a stride."""

    def __init__(self, fan_in: int, fan_out: int, kernel: Triple, stride: Triple, count: int, bias: bool) -> None:
        super().__init__()
        first = _Convolution(fan_in, fan_out, kernel, stride, bias)
        rest = (_Convolution(fan_out, fan_out, kernel, (1, 1, 1), bias) for _ in range(count - 1))
        self.convs = nn.Sequential(first, *rest)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.convs(x)
        return answer


class _Residual(nn.Module):
    """Two convolutions around which the input passes, averaged and projected where it must be (ResNet-D)."""

    def __init__(self, fan_in: int, fan_out: int, kernel: Triple, stride: Triple, bias: bool) -> None:
        super().__init__()
        self.conv1 = _Convolution(fan_in, fan_out, kernel, stride, bias)
        self.conv2 = _Convolution(fan_out, fan_out, kernel, (1, 1, 1), bias, linear=True)
        around: list[nn.Module] = []
        if any(step != 1 for step in stride):
            around.append(nn.AvgPool3d(tuple(stride), tuple(stride)))  # type: ignore[arg-type]
        if fan_in != fan_out:
            around.append(_Convolution(fan_in, fan_out, (1, 1, 1), (1, 1, 1), False, linear=True))
        self.skip = nn.Sequential(*around)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.leaky_relu(self.conv2(self.conv1(x)) + self.skip(x), SLOPE)


class _Blocks(nn.Module):
    def __init__(self, fan_in: int, level: _Level, bias: bool) -> None:
        super().__init__()
        first = _Residual(fan_in, level.channels, level.kernel, level.stride, bias)
        rest = (
            _Residual(level.channels, level.channels, level.kernel, (1, 1, 1), bias) for _ in range(level.blocks - 1)
        )
        self.blocks = nn.Sequential(first, *rest)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.blocks(x)
        return answer


class _Encoder(nn.Module):
    def __init__(self, in_channels: int, levels: Sequence[_Level], bias: bool, residual: bool) -> None:
        super().__init__()
        self.stem: nn.Module | None = None
        stages: list[nn.Module] = []
        below = in_channels
        if residual:
            below = levels[0].channels
            self.stem = _Stack(in_channels, below, levels[0].kernel, (1, 1, 1), 1, bias)
        for level in levels:
            if residual:
                stages.append(_Blocks(below, level, bias))
            else:
                stack = _Stack(below, level.channels, level.kernel, level.stride, level.blocks, bias)
                stages.append(nn.Sequential(stack))
            below = level.channels
        self.stages = nn.Sequential(*stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = x if self.stem is None else self.stem(x)
        found: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found


class _Decoder(nn.Module):
    def __init__(self, levels: Sequence[_Level], convolutions: Sequence[int], out_channels: int, bias: bool) -> None:
        super().__init__()
        ups, stages = [], []
        for (coarse, fine), count in zip(pairwise(reversed(levels)), convolutions, strict=True):
            step = tuple(coarse.stride)
            ups.append(nn.ConvTranspose3d(coarse.channels, fine.channels, step, step, bias=bias))  # type: ignore[arg-type]
            stages.append(_Stack(2 * fine.channels, fine.channels, fine.kernel, (1, 1, 1), count, bias))
        self.transpconvs, self.stages = nn.ModuleList(ups), nn.ModuleList(stages)
        self.seg_layer = nn.Conv3d(levels[0].channels, out_channels, 1)

    def forward(self, skips: list[Tensor]) -> Tensor:
        x = skips.pop()
        for up, stage in zip(self.transpconvs, self.stages, strict=True):
            x = stage(torch.cat([up(x), skips.pop()], 1))
        logits: Tensor = self.seg_layer(x)
        return logits


class NnUnet(nn.Module):
    """nnU-Net's plain or residual 3D U-Net, behind its normalisation of CT.

    Input (batch, ``in_channels``, slices, rows, columns) HU. Output (batch, ``out_channels``, ...) logits.

    Args:
        in_channels: images in.
        out_channels: classes.
        features: channels of each level, finest first.
        kernels: of each level's convolutions.
        strides: from the level above to each level; the first is (1, 1, 1).
        blocks: convolutions, or residual blocks, of each level of the encoder.
        decoder: convolutions of each level of the decoder, coarsest first.
        intensities: of each image: HU below and above which it is clipped, the mean to take off, the deviation to
            divide by. None: the input is normalised already.
        residual: residual blocks in the encoder (``ResidualEncoderUNet``).
        bias: of the convolutions.
    """

    def __init__(
        self,
        *,
        features: Sequence[int],
        kernels: Sequence[Triple],
        strides: Sequence[Triple],
        blocks: Sequence[int],
        decoder: Sequence[int],
        intensities: Sequence[tuple[float, float, float, float]] | None = None,
        residual: bool = False,
        bias: bool = True,
        in_channels: int = 2,
        out_channels: int = 3,
    ) -> None:
        super().__init__()
        levels = [_Level(*one) for one in zip(features, kernels, strides, blocks, strict=True)]
        if intensities is not None and len(intensities) != in_channels:
            raise ValueError(f"{in_channels} images need as many intensities, not {len(intensities)}")
        self.intensities = intensities
        self.stride = 1
        for axis in range(3):
            along = 1
            for level in levels:
                along *= level.stride[axis]
            self.stride = max(self.stride, along)
        self.encoder = _Encoder(in_channels, levels, bias, residual)
        self.decoder = _Decoder(levels, decoder, out_channels, bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.intensities is not None:
            x = torch.stack([_normalised(x[:, one], *values) for one, values in enumerate(self.intensities)], 1)
        logits: Tensor = self.decoder(self.encoder(x))
        return logits


def _normalised(image: Tensor, low: float, high: float, mean: float, deviation: float) -> Tensor:
    return (image.clamp(low, high) - mean) / deviation
