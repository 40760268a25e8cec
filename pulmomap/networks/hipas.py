"""HiPaS: arteries and veins found level by level, each stage told by the one before (saliency transmission).

The four-stage form finds the trunks first, then the hilum, the segmental vessels, and what is beyond. The two-stage
form finds all vessels at half resolution first, then again at full resolution; it is the authors' own later choice and
costs about a quarter as much.

Source: see :mod:`pulmomap.networks.saliency_stage`. Ours: the vesselness is a fixed filter in millimetres instead of
one in pixels of each slice, and PA, PV and background may exclude each other (``exclusive``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pulmomap.imaging.vesselness import SCALES_MM, tube_likeness
from pulmomap.networks.saliency_stage import VESSELS, SaliencyStage, SaliencyUnet

HU_UNIT = 1000.0


class Hipas(nn.Module):
    """The cascade.

    Input (batch, ``in_channels``, slices, rows, columns): NCCT and Syn-CECT, HU clipped to [-1000, 1000] and divided by
    1000. Every side must be a multiple of :attr:`stride`. Output, in use: (batch, 3, slices, rows, columns), logits of
    background, PA, PV. Output, in training: (batch, stages, 2, slices, rows, columns), every stage's logits of PA, PV.

    Args:
        in_channels: images in.
        images: how many of them are looked at: 1, the NCCT alone as published; 2, the Syn-CECT too.
        out_channels: classes; 3, said for the reader of a bundle.
        widths: of each stage.
        scales: each stage's voxel side over the input's: 1 or a power of two.
        exclusive: PA, PV and background exclude each other (softmax); False: two independent maps (sigmoid), as
            published. In use the class is the most probable one above one half either way.
        spacing_mm: of the voxels that the network will see.
        vesselness_mm: scales of the vesselness.

    Raises:
        ValueError: arguments that do not fit together.
    """

    def __init__(
        self,
        in_channels: int = 2,
        images: int = 1,
        out_channels: int = 1 + VESSELS,
        widths: Sequence[int] = (24, 24, 24, 24),
        scales: Sequence[int] = (1, 1, 1, 1),
        exclusive: bool = True,
        spacing_mm: Sequence[float] = (1.0, 1.0, 1.0),
        vesselness_mm: Sequence[float] = SCALES_MM,
    ) -> None:
        super().__init__()
        if len(widths) != len(scales) or not 1 <= images <= in_channels or out_channels != 1 + VESSELS:
            raise ValueError(
                f"a cascade of {len(widths)} widths and {len(scales)} scales that looks at {images} of {in_channels} "
                f"images and knows {out_channels} classes cannot be built"
            )
        slices, rows, columns = spacing_mm
        self.images, self.exclusive = images, exclusive
        self.scales, self.vesselness_mm = tuple(scales), tuple(vesselness_mm)
        self.spacing_mm = (slices, rows, columns)
        self.stride = SaliencyUnet.stride * max(scales)
        self.channels = SaliencyUnet.channels(widths[0])
        self.stages = nn.ModuleList(SaliencyStage(2 * images, width) for width in widths)

    def forward(self, x: Tensor) -> Tensor:
        shown = self.shown(x)
        prior = torch.zeros_like(torch.cat([x[:, :1]] * VESSELS, 1))
        answers: list[Tensor] = []
        for stage, scale in zip(self.stages, self.scales, strict=True):
            logits = stage(_coarser(shown, scale), _coarser(prior, scale))
            if scale > 1:
                logits = F.interpolate(logits, scale_factor=float(scale), mode="trilinear")
            answers.append(logits)
            prior = self.probabilities(logits).detach().to(x.dtype)  # each stage learns from its own loss
        if self.training:
            return torch.stack(answers, 1)
        return torch.cat([torch.zeros_like(answers[-1][:, :1]), answers[-1]], 1)

    def encode(self, x: Tensor) -> list[Tensor]:
        """Features of the first stage, finest first, from the images alone.

        Vesselness and prior are left at zero: around what is hidden from a pretraining, a filter would give it away.
        """
        images = x[:, : self.images]
        rest = torch.zeros_like(torch.cat([images[:, :1]] * (self.images + VESSELS), 1))
        features: list[Tensor] = self.stages[0].unet.encoder(torch.cat([images, rest], 1))  # type: ignore[union-attr, operator]
        return features

    def encoder_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The encoder of another such network's first stage, for every stage of ours, by our own names."""
        first = "stages.0.unet.encoder."
        return {
            name.replace("stages.0.", f"stages.{stage}.", 1): weight
            for name, weight in weights.items()
            if name.startswith(first)
            for stage in range(len(self.stages))
        }

    def shown(self, x: Tensor) -> Tensor:
        """The images that are looked at, and the vesselness of each: (batch, 2 ``images``, *sides)."""
        images = x[:, : self.images]
        hu = images.flatten(0, 1) * HU_UNIT
        return torch.cat([images, tube_likeness(hu, self.spacing_mm, self.vesselness_mm).view_as(images)], 1)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Of PA and PV, (batch, 2, *sides), from a stage's logits."""
        if not self.exclusive:
            return logits.sigmoid()
        return torch.cat([torch.zeros_like(logits[:, :1]), logits], 1).softmax(1)[:, 1:]


def _coarser(maps: Tensor, scale: int) -> Tensor:
    return maps if scale == 1 else F.avg_pool3d(maps, scale)
