"""The adversary: its sizes, what a logit sees, and that its layers cannot grow."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pulmomap.networks.patch_discriminator import PatchDiscriminator


@pytest.mark.parametrize(
    ("judge", "parameters", "maps"),
    [
        (PatchDiscriminator(6, 3), 716_035, 3),
        (PatchDiscriminator(2, 1), 703_489, 1),
        (PatchDiscriminator(2, 1, shortcuts=False), 661_953, 1),
    ],
)
def test_sizes_of_the_release(judge: PatchDiscriminator, parameters: int, maps: int) -> None:
    assert sum(parameter.numel() for parameter in judge.parameters()) == parameters
    channels = 6 if maps == 3 else 2
    assert judge(torch.zeros(1, channels, 256, 256)).shape == (1, maps, 31, 31)


def test_a_logit_sees_46_pixels() -> None:
    judge = PatchDiscriminator(2, 1, channels=(4, 4, 4)).eval()
    for block in judge.blocks:
        block.norm = nn.Identity()  # an instance norm sees the whole image
    x = torch.randn(1, 2, 128, 128, requires_grad=True)
    logits = judge(x)
    logits[0, 0, 7, 8].backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(0) > 0
    rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
    assert rows.max() - rows.min() + 1 == 46
    assert columns.max() - columns.min() + 1 == 46


def test_no_layer_stretches_its_input() -> None:
    torch.manual_seed(0)
    judge = PatchDiscriminator(2, 1, channels=(8, 16)).train()
    for _ in range(30):  # each pass is one step of the power iteration
        judge(torch.randn(1, 2, 32, 32))
    judge.eval()
    convolutions = [part for part in judge.modules() if isinstance(part, nn.Conv2d)]
    assert len(convolutions) == 5
    for part in convolutions:
        assert torch.linalg.matrix_norm(part.weight.flatten(1), 2).item() == pytest.approx(1.0, abs=0.02)
