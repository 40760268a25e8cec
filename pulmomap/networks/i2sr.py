"""I2SR: thin slices between thick ones, at any ratio.

Features are found on the thick slices, interpolated to where the thin slices lie, and fused by blocks that look across
and within slices side by side (I2FF). What the network adds is added to the linear interpolation, so that it cannot do
worse than that before it has learned anything.

Source: Chu et al., HiPaS, Nature Communications 2025; kernels, widths and depth as released. Ours: the residual to the
linear interpolation instead of to a thick slice, positions that may be any fraction of the slice distance, activations
within the residual blocks, and the option to tell the network where between two slices it is.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ACROSS, WITHIN = (3, 1, 1), (1, 5, 5)
PLANE = (1, 3, 3)


def interpolate(x: Tensor, positions: Tensor) -> Tensor:
    """Linear interpolation along the slices.

    Args:
        x: (batch, channels, slices, rows, columns).
        positions: (batch, n), indices of ``x``'s slices; beyond the outermost slices the outermost value holds.

    Returns:
        (batch, channels, n, rows, columns).
    """
    count = x.shape[2]
    held = positions.clamp(0, count - 1)[:, :, None]
    weights = (1.0 - (held - torch.arange(count, device=x.device, dtype=positions.dtype)).abs()).clamp(min=0)
    return torch.einsum("bnk,bckhw->bcnhw", weights.to(x.dtype), x)


class _Residual(nn.Module):
    """Three convolutions within the slice, a fifth of whose answer is added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv3d(width, width, PLANE, padding=(0, 1, 1)) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = self.convs
        answer: Tensor = third(torch.relu(second(torch.relu(first(x)))))
        return x + 0.2 * answer


class _Fusion(nn.Module):
    """I2FF: across the slices and within them side by side, then both together."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.across = nn.Conv3d(width, width, ACROSS, padding=(1, 0, 0))
        self.within = nn.Conv3d(width, width, WITHIN, padding=(0, 2, 2))
        self.fuse = nn.Conv3d(2 * width, width, 3, padding=1)
        self.mix = nn.Conv3d(width, width, 1)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.mix(self.fuse(torch.cat([self.within(x), self.across(x)], 1)))
        normal: Tensor = self.norm(mixed.movedim(1, -1))
        return torch.relu(normal.movedim(-1, 1))


class I2sr(nn.Module):
    """Thin slices from thick ones.

    Input: ``thick`` (batch, 1, k, rows, columns), HU clipped to [-1000, 1000] and divided by 1000; ``positions``
    (batch, n), where the thin slices lie, as indices of the thick ones. Output (batch, 1, n, rows, columns).

    Args:
        width: channels.
        fusions: number of I2FF blocks.
        knows_place: tell the fusion how far each thin slice is from the nearest thick one, and how far the thin slices
            are apart.
    """

    stride = 1

    def __init__(self, width: int = 32, fusions: int = 6, knows_place: bool = False) -> None:
        super().__init__()
        self.stem = nn.Conv3d(1, width, 3, padding=1)
        self.residuals = nn.ModuleList(_Residual(width) for _ in range(2))
        self.place = nn.Conv3d(width + 2, width, 1) if knows_place else None
        self.fusions = nn.ModuleList(_Fusion(width) for _ in range(fusions))
        self.smooth = nn.Conv3d(width, width, PLANE, padding=(0, 1, 1))
        self.output = nn.Conv3d(width, 1, PLANE, padding=(0, 1, 1))
        for parameter in self.output.parameters():
            nn.init.zeros_(parameter)

    def forward(self, thick: Tensor, positions: Tensor) -> Tensor:
        x = self.stem(thick)
        for residual in self.residuals:
            x = residual(x)
        x = interpolate(x, positions)
        if self.place is not None:
            x = self.place(torch.cat([x, _places(positions, x)], 1))
        for fusion in self.fusions:
            x = fusion(x)
        # Leaky: a narrow network whose last features are all negative would never learn again.
        added: Tensor = self.output(F.leaky_relu(self.smooth(x), 0.1))
        return interpolate(thick, positions) + added


def _places(positions: Tensor, like: Tensor) -> Tensor:
    """Two maps: the distance to the nearest thick slice, and the step between thin slices, in thick slices."""
    distance = (positions - positions.round()).abs()
    step = torch.stack([(after - before).abs() for before, after in pairwise(positions.unbind(1))], 1).mean(1)
    both = torch.stack([distance, step[:, None].expand_as(distance)], 1)[..., None, None]
    return both.expand(-1, -1, -1, *like.shape[-2:]).to(like.dtype)
