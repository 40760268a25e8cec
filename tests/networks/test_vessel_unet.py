"""The segmenter: shapes, reach, and that a tile is as good as the whole."""

from __future__ import annotations

import pytest
import torch

from pulmomap.networks.vessel_unet import VesselUnet


def awake(channels: tuple[int, ...]) -> VesselUnet:
    """A network whose residual branches are no longer silent."""
    torch.manual_seed(2)
    network = VesselUnet(channels=channels).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("second.gain"):
                parameter.fill_(0.5)
    return network


def test_the_shipped_size_fits_into_a_repository() -> None:
    with torch.device("meta"):
        network = VesselUnet()
        assert sum(parameter.numel() for parameter in network.parameters()) * 4 < 16 * 2**20
        assert network.stride == 16
        assert network(torch.zeros(1, 2, 32, 48, 64)).shape == (1, 3, 32, 48, 64)


def test_sides_that_are_no_multiple_of_the_stride_are_refused() -> None:
    with pytest.raises(RuntimeError):
        VesselUnet(channels=(2, 4, 4))(torch.zeros(1, 2, 10, 8, 8))


def test_a_voxel_sees_far_enough_to_follow_a_vessel() -> None:
    network = awake((4, 4, 4, 4, 4))
    x = torch.randn(1, 2, 32, 32, 192, requires_grad=True)
    network(x)[0, :, 16, 16, 96].sum().backward()
    assert x.grad is not None
    seen = (x.grad[0].abs().sum((0, 1, 2)) > 0).nonzero()
    assert seen.max() - seen.min() + 1 >= 100


def test_a_tile_gives_the_answer_of_the_whole() -> None:
    network = awake((4, 6))
    x = torch.randn(1, 2, 48, 48, 48) * 0.3
    with torch.no_grad():
        whole = network(x)[..., 20:28, 20:28, 20:28]
        tile = network(x[..., 8:40, 8:40, 8:40])[..., 12:20, 12:20, 12:20]
    torch.testing.assert_close(tile, whole, rtol=1e-4, atol=1e-5)


def test_training_and_use_give_the_same_answer() -> None:
    network = awake((4, 6))
    x = torch.randn(1, 2, 8, 8, 8)
    with torch.no_grad():
        assert torch.equal(network.train()(x), network.eval()(x))


def test_every_parameter_learns() -> None:
    network = awake((4, 6, 8))
    network(torch.randn(1, 2, 16, 16, 16)).square().sum().backward()
    assert [name for name, parameter in network.named_parameters() if not parameter.grad.any()] == []
