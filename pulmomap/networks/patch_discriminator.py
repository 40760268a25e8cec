"""The adversary of the contrast synthesiser: a patch discriminator with spectral norm.

With 6 input and 3 output channels it is the discriminator that Enhance-GAN's notebook trains; with 2 and 1 it is the
one of its file, plain (``shortcuts=False``) or residual. The release's dropout on the logits is left out: it is noise
on the very score that the hinge loss compares with a margin.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class _Block(nn.Module):
    """4x4 convolution of stride 2, instance norm (not on the first), leaky ReLU, and a 1x1 shortcut around them."""

    def __init__(self, in_channels: int, out_channels: int, *, norm: bool, shortcut: bool) -> None:
        super().__init__()
        self.conv = spectral_norm(nn.Conv2d(in_channels, out_channels, 4, 2, 1))
        self.norm = nn.InstanceNorm2d(out_channels) if norm else nn.Identity()
        self.shortcut = spectral_norm(nn.Conv2d(in_channels, out_channels, 1, 2)) if shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.leaky_relu(self.norm(self.conv(x)), 0.2)
        return y if self.shortcut is None else y + self.shortcut(x)


class PatchDiscriminator(nn.Module):
    """Scores overlapping patches of a (condition, image) pair: positive for real, negative for synthetic.

    Input (batch, ``in_channels``, rows, columns): the NCCT slices, then the CECT or Syn-CECT slices. Output
    (batch, ``out_channels``, rows', columns') logits without bound, 31 x 31 for 256 x 256 in; with three blocks each
    logit sees 46 x 46 pixels.

    Args:
        in_channels: slices of condition and image together.
        out_channels: logit maps.
        channels: width of each block.
        shortcuts: residual blocks.
    """

    def __init__(
        self,
        in_channels: int = 6,
        out_channels: int = 3,
        channels: Sequence[int] = (64, 128, 256),
        *,
        shortcuts: bool = True,
    ) -> None:
        super().__init__()
        widths = [in_channels, *channels]
        self.blocks = nn.Sequential(
            *(_Block(widths[i], widths[i + 1], norm=i > 0, shortcut=shortcuts) for i in range(len(channels)))
        )
        self.score = spectral_norm(nn.Conv2d(widths[-1], out_channels, 4, 1, 1))

    def forward(self, pair: Tensor) -> Tensor:
        logits: Tensor = self.score(self.blocks(pair))
        return logits
