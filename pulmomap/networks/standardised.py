"""Convolutions with standardised weights: the stability of a norm layer without statistics of the image.

A norm layer that measures the image makes the answer depend on what else is in the picture: the same vessel looks
different in a small tile, in a whole volume, and (batch norm) in training and in use. Standardising the weights instead
keeps activations near unit scale from the first step on, leaves HU alone, and is a constant in use: the runtimes fold
it into plain convolutions.

Source: Qiao et al., "Micro-batch training with batch-channel normalization and weight standardization",
arXiv 1903.10520; scaled form of Brock et al., "Characterizing signal propagation to close the performance gap in
unnormalized ResNets", ICLR 2021, eq. 3.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

# Keeps the variance of a signal through convolution and ReLU (Brock et al., section 4.1).
RELU_GAIN = math.sqrt(2.0 / (1.0 - 1.0 / math.pi))
EPSILON = 1e-6


def standardise(weight: Tensor, gain: Tensor) -> Tensor:
    """Give each output channel's kernel zero mean and the norm ``gain``."""
    axes = tuple(range(1, weight.ndim))
    centred = weight - weight.mean(axes, keepdim=True)
    return centred * torch.rsqrt(centred.square().sum(axes, keepdim=True) + EPSILON) * gain


class StandardConv2d(nn.Conv2d):
    """:class:`torch.nn.Conv2d` ("same" padding for odd kernels) with standardised weights.

    Not for the first layer: a kernel of zero mean cannot see the mean of its input, which there is the HU level.

    Args:
        in_channels, out_channels, kernel_size, stride: as in torch.
        gain: norm of each kernel at the start; 0 for a branch that starts silent.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, gain: float = RELU_GAIN
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding=(kernel_size - 1) // 2)
        self.gain = nn.Parameter(torch.full((out_channels, 1, 1, 1), gain))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        answer: Tensor = self._conv_forward(input, standardise(self.weight, self.gain), self.bias)
        return answer


class StandardConv3d(nn.Conv3d):
    """:class:`torch.nn.Conv3d` with standardised weights; see :class:`StandardConv2d`."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, gain: float = RELU_GAIN
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding=(kernel_size - 1) // 2)
        self.gain = nn.Parameter(torch.full((out_channels, 1, 1, 1, 1), gain))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        answer: Tensor = self._conv_forward(input, standardise(self.weight, self.gain), self.bias)
        return answer


def folded(network: nn.Module) -> nn.Module:
    """A copy of a trained network in which every standardised convolution is a plain one with the same answer."""
    network = copy.deepcopy(network)
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, StandardConv2d | StandardConv3d):
                setattr(parent, name, _plain(child))
    return network.requires_grad_(False)


def _plain(conv: StandardConv2d | StandardConv3d) -> nn.Conv2d | nn.Conv3d:
    kind = nn.Conv2d if isinstance(conv, StandardConv2d) else nn.Conv3d
    size, stride, padding = conv.kernel_size[0], conv.stride[0], int(conv.padding[0])
    with torch.device("meta"):
        plain = kind(conv.in_channels, conv.out_channels, size, stride, padding)
    plain.weight = nn.Parameter(standardise(conv.weight, conv.gain).detach())
    plain.bias = conv.bias
    return plain
