"""I2SR: the published size, the linear interpolation it starts from, and positions at any fraction."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pulmomap.networks.i2sr import I2sr, interpolate

torch.set_num_threads(1)


@pytest.mark.parametrize(("width", "released"), [(32, 577_427), (16, 145_107)])
def test_the_released_sizes(width: int, released: int) -> None:
    """The released network has 18 constants among its parameters and batch norms of twice the width."""
    batch_norms, layer_norms, constants = 6 * 4 * width, 6 * 2 * width, 18
    with torch.device("meta"):
        ours = sum(parameter.numel() for parameter in I2sr(width).parameters())
    assert ours - layer_norms + batch_norms + constants == released


def awake(**arguments: bool) -> I2sr:
    torch.manual_seed(0)
    network = I2sr(width=4, fusions=2, **arguments)
    torch.nn.init.normal_(network.output.weight, std=0.1)
    return network


def test_interpolation_is_numpys() -> None:
    values = torch.randn(2, 3, 5, 2, 2)
    positions = torch.tensor([[-1.0, 0.0, 0.3, 3.999, 4.0, 7.0], [0.5, 1.5, 2.5, 3.5, 1.0, 2.25]])
    found = interpolate(values, positions).numpy()
    for b, c, y, x in np.ndindex(2, 3, 2, 2):
        expected = np.interp(positions[b].numpy(), np.arange(5), values[b, c, :, y, x].numpy())
        np.testing.assert_allclose(found[b, c, :, y, x], expected, atol=1e-6)


@pytest.mark.parametrize("knows_place", [False, True])
def test_untrained_it_is_the_linear_interpolation(knows_place: bool) -> None:
    thick, positions = torch.randn(2, 1, 4, 6, 6), torch.rand(2, 7) * 3
    assert torch.equal(I2sr(4, 2, knows_place)(thick, positions), interpolate(thick, positions))


@pytest.mark.parametrize("ratio", [2.0, 2.7, 3.0, 5.0])
def test_any_ratio(ratio: float) -> None:
    thick = torch.randn(1, 1, 4, 6, 6)
    positions = (torch.arange(int(3 * ratio) + 1) / ratio)[None]
    assert awake()(thick, positions).shape == (1, 1, positions.shape[1], 6, 6)


def test_the_crops_of_a_batch_may_have_ratios_of_their_own() -> None:
    network = awake(knows_place=True)
    thick, positions = torch.randn(2, 1, 4, 6, 6), torch.tensor([[0.5, 1.0, 1.5], [1.2, 1.4, 1.6]])
    both = network(thick, positions)
    for one in range(2):
        alone = network(thick[one : one + 1], positions[one : one + 1])
        torch.testing.assert_close(both[one : one + 1], alone, atol=1e-5, rtol=1e-5)


def test_the_place_between_slices_matters_only_when_it_is_known() -> None:
    """Constant slices interpolate to the same features everywhere."""
    thick = torch.full((1, 1, 4, 6, 6), 0.3)
    near, far = torch.tensor([[1.0, 1.1, 1.2]]), torch.tensor([[1.4, 1.5, 1.6]])
    for knows_place in (False, True):
        network = awake(knows_place=knows_place)
        same = torch.allclose(network(thick, near), network(thick, far), atol=1e-6)
        assert same is not knows_place


def test_every_parameter_learns() -> None:
    network = awake(knows_place=True)
    network(torch.randn(1, 1, 4, 8, 8), torch.rand(1, 6) * 3).square().sum().backward()
    assert [name for name, one in network.named_parameters() if one.grad is None or not one.grad.any()] == []
