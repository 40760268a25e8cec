"""The generator: the paper's exactly, and what ours promises instead."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pulmomap.networks.attention_unet import AttentionUnet


def size_of(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def random_net(norm: str, channels: tuple[int, ...] = (8, 12, 16)) -> AttentionUnet:
    torch.manual_seed(1)
    return AttentionUnet(channels=channels, norm=norm, zero_output=False).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("channels", "parameters"),
    [((64, 128, 256, 512, 1024, 1024), 79_968_813), ((32, 64, 128, 256, 512, 512), 19_995_933)],
)
def test_the_papers_generator_has_the_papers_size(channels: tuple[int, ...], parameters: int) -> None:
    with torch.device("meta"):
        paper = AttentionUnet(channels=channels, norm="instance", zero_output=False)
        assert size_of(paper) == parameters
        assert paper.stride == 32
        assert paper(torch.zeros(1, 3, 256, 256)).shape == (1, 3, 256, 256)


def test_the_shipped_size_fits_into_a_repository() -> None:
    with torch.device("meta"):
        assert size_of(AttentionUnet()) * 4 < 16 * 2**20


def test_untrained_it_adds_nothing_and_can_still_learn() -> None:
    network = AttentionUnet(channels=(4, 8))
    answer = network(torch.randn(2, 3, 16, 32))
    assert answer.shape == (2, 3, 16, 32)
    assert not answer.any()
    (answer - 1).abs().sum().backward()
    assert network.output.weight.grad is not None
    assert network.output.weight.grad.any()


def test_a_network_that_paints_the_image_answers_with_what_it_adds() -> None:
    ours, papers = AttentionUnet(channels=(4, 8)), AttentionUnet(channels=(4, 8), predicts="image")
    x = torch.randn(1, 3, 16, 16)
    assert not ours(x).any()
    assert torch.equal(papers(x), -x), "an untrained output of zero is an image of zero"


def test_sides_that_are_no_multiple_of_the_stride_are_refused() -> None:
    network = random_net("weight")
    assert network.stride == 4
    with pytest.raises(RuntimeError):
        network(torch.zeros(1, 3, 18, 16))


def change(network: nn.Module, x: torch.Tensor, other: torch.Tensor) -> float:
    """RMS change of the answer in the middle, relative to the answer's spread."""
    with torch.no_grad():
        a, b = (network(image)[..., 12:-12, 12:-12] for image in (x, other))
    return float((a - b).square().mean().sqrt() / a.std())


def test_hu_reach_the_output_which_the_papers_first_norm_prevents() -> None:
    x = torch.randn(1, 3, 48, 48) * 0.3
    assert change(random_net("instance"), x, 0.5 * x) < 0.05
    assert change(random_net("weight"), x, 0.5 * x) > 0.2
    assert change(random_net("weight"), x, x + 0.3) > 0.2


def test_a_slice_gets_the_same_answer_in_a_larger_crop() -> None:
    x = torch.randn(1, 3, 64, 64) * 0.3
    ours, papers = random_net("weight", (8, 12)), random_net("instance", (8, 12))
    with torch.no_grad():
        for network, same in ((ours, True), (papers, False)):
            whole = network(x)[..., 28:36, 28:36]
            crop = network(x[..., 16:48, 16:48])[..., 12:20, 12:20]
            assert torch.allclose(whole, crop, atol=1e-5) is same


def test_bf16_training_step_is_finite() -> None:
    network = AttentionUnet(channels=(4, 8, 8))
    with torch.autocast("cpu", torch.bfloat16):
        loss = (network(torch.randn(2, 3, 16, 16)) - 0.1).abs().mean()
    loss.backward()
    grads = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    assert all(grad.isfinite().all() for grad in grads)
