"""Standardised convolutions: their weights, and that folding them changes nothing but the cost."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pulmomap.networks.attention_unet import AttentionUnet
from pulmomap.networks.standardised import RELU_GAIN, StandardConv2d, StandardConv3d, folded, standardise
from pulmomap.networks.vessel_unet import VesselUnet


def shaken(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with every parameter moved off its start, as training would."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def test_every_kernel_has_zero_mean_and_the_gain_as_norm() -> None:
    weight, gain = torch.randn(4, 3, 3, 3), torch.tensor([0.0, 0.5, 1.0, -2.0]).reshape(4, 1, 1, 1)
    kernels = standardise(3.0 + 7.0 * weight, gain).numpy().reshape(4, -1)
    np.testing.assert_allclose(kernels.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(kernels, axis=1), [0.0, 0.5, 1.0, 2.0], atol=1e-5)


def test_signal_keeps_its_scale_through_many_layers() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 64, 32, 32)
    for _ in range(30):
        x = torch.relu(StandardConv2d(64, 64, 3).eval()(x))
    assert 0.3 < x.var().item() / (1.0 - 1.0 / np.pi) / RELU_GAIN**2 * 2 < 3.0


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (AttentionUnet(channels=(4, 8, 12)), (2, 3, 16, 24)),
        (AttentionUnet(channels=(4, 8), norm="instance"), (1, 3, 16, 16)),
        (VesselUnet(channels=(4, 8, 12)), (1, 2, 16, 8, 12)),
    ],
)
def test_folding_gives_the_same_answer_from_plain_convolutions(network: nn.Module, shape: tuple[int, ...]) -> None:
    network = shaken(network)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    x = torch.randn(shape)
    with torch.no_grad():
        expected = network(x)
        plain = folded(network)
        torch.testing.assert_close(plain(x), expected, rtol=1e-5, atol=1e-5)
    assert not any(isinstance(part, StandardConv2d | StandardConv3d) for part in plain.modules())
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
