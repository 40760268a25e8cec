"""Masked convolutions: what a sparse convolution gives, and nothing of what is hidden."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from pulmomap.networks.hipas import Hipas
from pulmomap.networks.masked_convolution import at_size, masked_convolutions, masked_group_norm
from pulmomap.networks.vessel_unet import VesselUnet

torch.set_num_threads(1)
Place = tuple[int, int, int]
Sites = dict[Place, NDArray[np.float64]]


def sparse_convolution(sites: Sites, conv: nn.Conv3d, active: set[Place]) -> Sites:
    """A convolution over lists of sites: written for this test, without a dense array anywhere."""
    weight = conv.weight.detach().double().numpy()
    out_channels, per_group, size = weight.shape[0], weight.shape[1], weight.shape[2]
    step, padding = conv.stride[0], int(conv.padding[0])
    answer: Sites = {}
    for place in active:
        value = np.zeros(out_channels) if conv.bias is None else conv.bias.detach().double().numpy().copy()
        for offset in product(range(size), repeat=3):
            i, j, k = (p * step + o - padding for p, o in zip(place, offset, strict=True))
            if (i, j, k) in sites:
                kernels = weight[:, :, offset[0], offset[1], offset[2]]
                for channel in range(out_channels):
                    first = channel // (out_channels // conv.groups) * per_group
                    value[channel] += kernels[channel] @ sites[i, j, k][first : first + per_group]
        answer[place] = value
    return answer


def sparse_norm(sites: Sites, norm: nn.GroupNorm) -> Sites:
    values = np.stack(list(sites.values()))
    grouped = values.reshape(len(values), norm.num_groups, -1)
    mean, variance = grouped.mean((0, 2), keepdims=True), grouped.var((0, 2), keepdims=True)
    normal = ((grouped - mean) / np.sqrt(variance + norm.eps)).reshape(values.shape)
    normal = normal * norm.weight.detach().double().numpy() + norm.bias.detach().double().numpy()
    return dict(zip(sites, normal, strict=True))


def sites_of(dense: Tensor, visible: Tensor) -> Sites:
    mask = at_size(visible, dense.shape[2:])[0, 0] > 0
    return {(i, j, k): dense[0, :, i, j, k].numpy() for i, j, k in mask.nonzero().tolist()}


def blocks(seed: int, grid: Place = (2, 2, 2), batch: int = 1) -> Tensor:
    count = int(np.prod(grid))
    hidden = np.random.default_rng(seed).permuted(np.tile(np.arange(count) < count // 2, (batch, 1)), axis=1)
    return torch.from_numpy(hidden).reshape(batch, 1, *grid)


@pytest.mark.parametrize("seed", range(3))
def test_the_masked_network_is_the_sparse_one(seed: int) -> None:
    torch.manual_seed(seed)
    first, second = nn.Conv3d(2, 4, 3, padding=1), nn.Conv3d(4, 4, 3, stride=2, padding=1, groups=4)
    norm, third = nn.GroupNorm(2, 4), nn.Conv3d(4, 3, 1)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    network = nn.Sequential(first, norm, nn.GELU(), second, nn.ReLU(), third).double()
    visible, x = blocks(seed), torch.randn(1, 2, 8, 8, 8, dtype=torch.float64)
    with torch.no_grad(), masked_convolutions(network, visible):
        dense = network(x * at_size(visible, x.shape[2:]))

    sites = sites_of(x, visible)
    sites = sparse_norm(sparse_convolution(sites, first, set(sites)), norm)
    sites = {place: F.gelu(torch.from_numpy(value)).numpy() for place, value in sites.items()}
    coarse = set(sites_of(dense, visible))
    sites = {place: np.maximum(value, 0) for place, value in sparse_convolution(sites, second, coarse).items()}
    sites = sparse_convolution(sites, third, coarse)

    assert set(sites) == coarse
    for (i, j, k), value in sites.items():
        np.testing.assert_allclose(dense[0, :, i, j, k].numpy(), value, atol=1e-10)
    hidden = at_size(visible, dense.shape[2:]) == 0
    assert not dense[hidden.expand_as(dense)].any()


NETWORKS: dict[str, Callable[[], VesselUnet | Hipas]] = {
    "vessel_unet": lambda: VesselUnet(channels=(3, 4, 6)),
    "hipas": lambda: Hipas(images=2, widths=(3,), scales=(1,)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_hidden_voxels_never_leak(name: str) -> None:
    """Neither a hidden voxel's value nor a change of it reaches any feature of the encoders that are pretrained."""
    torch.manual_seed(0)
    network = NETWORKS[name]()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    visible = blocks(1, (2, 2, 4))
    x = torch.randn(1, 2, 32, 32, 64, requires_grad=True)
    seen = at_size(visible, x.shape[2:])
    with masked_convolutions(network, visible):
        features = network.encode(x * seen)
        other = network.encode((x + 100 * (1 - seen)) * seen)
    torch.stack([feature.square().sum() for feature in features]).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert not x.grad[(seen == 0).expand_as(x)].any()
    assert x.grad[(seen > 0).expand_as(x)].any()
    for one, two in zip(features, other, strict=True):
        assert torch.equal(one, two)
        assert not one[(at_size(visible, one.shape[2:]) == 0).expand_as(one)].any()


def test_without_the_masks_they_would_leak() -> None:
    """The check above can fail: a plain network spreads the mask's pattern into hidden places."""
    torch.manual_seed(0)
    network = VesselUnet(channels=(3, 4, 6))
    visible = blocks(1)
    x = torch.randn(1, 2, 16, 16, 16)
    features = network.encode(x * at_size(visible, x.shape[2:]))
    assert features[0][(at_size(visible, x.shape[2:]) == 0).expand_as(features[0])].any()


def test_afterwards_the_network_is_as_it_was() -> None:
    torch.manual_seed(0)
    network = VesselUnet(channels=(3, 4))
    x = torch.randn(1, 2, 8, 8, 8)
    before = network(x)
    with pytest.raises(RuntimeError), masked_convolutions(network, blocks(0)):
        raise RuntimeError
    assert torch.equal(network(x), before)


def test_with_everything_visible_nothing_changes() -> None:
    torch.manual_seed(0)
    network = Hipas(images=2, widths=(2,), scales=(1,))
    x = torch.randn(1, 2, 32, 32, 32)
    with torch.no_grad():
        before = network.encode(x)
        with masked_convolutions(network, torch.ones(1, 1, 2, 2, 2, dtype=torch.bool)):
            after = network.encode(x)
    for one, two in zip(before, after, strict=True):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)


def test_each_patient_of_a_batch_has_a_norm_of_its_own() -> None:
    torch.manual_seed(0)
    norm, x, visible = nn.GroupNorm(4, 4), torch.randn(2, 4, 4, 4, 4), blocks(2, batch=2)
    both = masked_group_norm(x, at_size(visible, x.shape[2:]), norm)
    for one in range(2):
        alone = masked_group_norm(x[one : one + 1], at_size(visible[one : one + 1], x.shape[2:]), norm)
        torch.testing.assert_close(both[one : one + 1], alone)


def test_blocks_smaller_than_a_feature_are_refused() -> None:
    network = VesselUnet(channels=(2, 3, 4))
    visible = torch.ones(1, 1, 8, 8, 8, dtype=torch.bool)
    refused = pytest.raises(ValueError, match=r"\(8, 8, 8\) blocks do not fit a feature map of \(4, 4, 4\)")
    with refused, masked_convolutions(network, visible):
        network.encode(torch.zeros(1, 2, 16, 16, 16))
