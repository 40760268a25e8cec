"""Dense convolutions that behave like sparse ones: what is hidden stays hidden.

A masked autoencoder for convolutions must not let hidden voxels, nor the pattern of the mask, reach the features of
visible ones. After each convolution the features of hidden voxels are set to zero again, and norms take their
statistics from visible voxels only: then every visible voxel has the feature that a submanifold sparse convolution
would give it. The network itself is unchanged, so what it learns here it can use anywhere.

Source: Tian et al., "Designing BERT for Convolutional Networks: Sparse and Hierarchical Masked Modeling" (SparK), ICLR
2023; norms per channel group, which it does not have, are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@contextmanager
def masked_convolutions(network: nn.Module, visible: Tensor) -> Iterator[None]:
    """Within this context, every convolution and norm of a network leaves out what is hidden.

    Args:
        network: made of ``Conv3d``, ``GroupNorm`` and functions that map zero to zero; its input must be masked too.
        visible: (batch, 1, *blocks) bool; every feature map must have a whole number of voxels per block.
    """
    hooks = []
    for module in network.modules():
        if isinstance(module, nn.GroupNorm):
            hooks.append(module.register_forward_hook(_normed(module, visible)))
        elif isinstance(module, nn.Conv3d):
            hooks.append(module.register_forward_hook(_hidden_again(visible)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def at_size(visible: Tensor, size: torch.Size) -> Tensor:
    """The mask on a feature map.

    Args:
        visible: (batch, 1, *blocks) bool.
        size: of the map's spatial axes.

    Raises:
        ValueError: a block is not a whole number of voxels there.
    """
    if any(side % blocks for side, blocks in zip(size, visible.shape[2:], strict=True)):
        raise ValueError(
            f"{tuple(visible.shape[2:])} blocks do not fit a feature map of {tuple(size)} voxels; take blocks that are "
            "multiples of the network's stride"
        )
    return F.interpolate(visible.float(), size=tuple(size), mode="nearest")


def masked_group_norm(x: Tensor, mask: Tensor, norm: nn.GroupNorm) -> Tensor:
    """:class:`torch.nn.GroupNorm` with the statistics of visible voxels; zero where hidden.

    Args:
        x: (batch, channels, *spatial).
        mask: (batch, 1, *spatial), 1 where visible.
        norm: groups, weights and epsilon.
    """
    with torch.autocast(x.device.type, enabled=False):
        kind = torch.promote_types(x.dtype, torch.float32)
        shape = (len(x), norm.num_groups, -1)
        grouped = x.to(kind).reshape(shape)
        seen = mask.to(kind).expand_as(x).reshape(shape)
        count = seen.sum(2, keepdim=True).clamp(min=1)
        mean = (grouped * seen).sum(2, keepdim=True) / count
        variance = ((grouped - mean).square() * seen).sum(2, keepdim=True) / count
        normal = ((grouped - mean) * torch.rsqrt(variance + norm.eps)).view_as(x)
        if norm.affine:
            channels = (1, -1, *(1,) * (x.ndim - 2))
            normal = normal * norm.weight.view(channels) + norm.bias.view(channels)
        answer: Tensor = (normal * mask).to(x.dtype)
        return answer


def _hidden_again(visible: Tensor) -> Any:
    def hook(module: nn.Module, given: tuple[Tensor, ...], answer: Tensor) -> Tensor:
        return answer * at_size(visible, answer.shape[2:]).to(answer.dtype)

    return hook


def _normed(norm: nn.GroupNorm, visible: Tensor) -> Any:
    def hook(module: nn.Module, given: tuple[Tensor, ...], answer: Tensor) -> Tensor:
        return masked_group_norm(given[0], at_size(visible, answer.shape[2:]), norm)

    return hook
