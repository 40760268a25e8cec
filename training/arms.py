"""The networks that the synthesiser is compared with, in the form the adversarial loop wants.

Every one takes (batch, slices, rows, columns) in network units and answers with what is to be added to it. They are
trained and measured, never shipped.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from pulmomap.networks.attention_unet import AttentionUnet, Predicts


class Arm(nn.Module):
    """A library's 2D network as a predictor of the enhancement.

    Args:
        network: takes and gives ``slices`` channels.
        slices: adjacent slices in and out.
        predicts: ``image``: the network makes the contrast image itself, as published; ``enhancement``: a 1x1
            convolution that starts at zero makes the enhancement from its answer.
    """

    def __init__(self, network: nn.Module, slices: int, predicts: Predicts) -> None:
        super().__init__()
        self.network = network
        self.output: nn.Conv2d | None = None
        if predicts == "enhancement":
            self.output = nn.Conv2d(slices, slices, 1)
            for parameter in self.output.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.network(x)
        return answer - x if self.output is None else self.output(answer)


class VolumeArm(nn.Module):
    """The attention U-Net in 3D: the slices of a crop are an axis instead of channels. Arguments as there."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.network = AttentionUnet(in_channels=1, out_channels=1, axes=3, **arguments)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.network(x[:, None])
        return answer[:, 0]


def unet(*, slices: int = 3, predicts: Predicts = "enhancement", **arguments: Any) -> Arm:
    """MONAI's residual U-Net; further arguments are its own."""
    from monai.networks.nets import UNet

    return Arm(UNet(spatial_dims=2, in_channels=slices, out_channels=slices, **arguments), slices, predicts)


def swin_unetr(*, slices: int = 3, predicts: Predicts = "enhancement", **arguments: Any) -> Arm:
    """MONAI's Swin UNETR (Hatamizadeh et al., arXiv 2201.01266) in 2D; further arguments are its own."""
    from monai.networks.nets import SwinUNETR

    return Arm(SwinUNETR(spatial_dims=2, in_channels=slices, out_channels=slices, **arguments), slices, predicts)
