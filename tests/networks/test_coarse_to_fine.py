"""The two-stage segmenter: it starts as its coarse stage, at any size, and the fine stage is free to disagree."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from pulmomap.networks.coarse_to_fine import LEAST, CoarseToFine


def made() -> CoarseToFine:
    torch.manual_seed(1)
    return CoarseToFine(coarse=(4, 6, 6), fine=(4, 6)).eval()


def test_the_shipped_size_fits_into_a_repository() -> None:
    with torch.device("meta"):
        network = CoarseToFine()
        assert sum(parameter.numel() for parameter in network.parameters()) * 4 < 16 * 2**20
        assert network.stride == 24
        assert network(torch.zeros(1, 2, 24, 48, 72)).shape == (1, 3, 24, 48, 72)


@pytest.mark.parametrize("sides", [(6, 12, 18), (72, 6, 6), (144, 6, 6), (6, 150, 6)])
def test_every_multiple_of_the_stride_comes_back_whole(sides: tuple[int, int, int]) -> None:
    network = made()
    assert network.stride == 6
    with torch.no_grad():
        assert network(torch.zeros(1, 2, *sides)).shape == (1, 3, *sides)


def test_untrained_it_answers_as_its_coarse_stage() -> None:
    network = made()
    x = torch.randn(1, 2, 12, 12, 18)
    with torch.no_grad():
        small = F.interpolate(x, size=(8, 8, 12), mode="trilinear")
        expected = F.interpolate(network.coarse(small), size=x.shape[2:], mode="trilinear").softmax(1)
        answer = network(x).softmax(1)
    assert torch.equal(answer.argmax(1), expected.argmax(1))
    sure = expected.min(1).values > LEAST
    torch.testing.assert_close(answer.movedim(1, -1)[sure], expected.movedim(1, -1)[sure], rtol=1e-4, atol=1e-5)


def test_the_coarse_stage_never_rules_a_class_out() -> None:
    network = made()
    with torch.no_grad():
        network.coarse.output.bias.copy_(torch.tensor([50.0, -50.0, -50.0]))  # type: ignore[operator]
        network.fine.output.bias.copy_(torch.tensor([0.0, 6.0, 0.0]))  # type: ignore[operator]
        assert (network(torch.randn(1, 2, 12, 12, 12)).argmax(1) == 1).all()


def test_stages_without_a_common_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="share no grid"):
        CoarseToFine(coarse=(4,), fine=(4, 6))
    with pytest.raises(ValueError, match="share no grid"):
        CoarseToFine(coarse=(4, 6), fine=(4, 6, 8))


def test_its_coarse_part_is_taken_from_either_kind_of_weights() -> None:
    network = made()
    own = network.encoder_weights(network.state_dict())
    alone = network.encoder_weights(network.coarse.state_dict())
    assert own.keys() == alone.keys()
    assert all(name.startswith("coarse.") and torch.equal(own[name], alone[name]) for name in own)
    assert len(own) < len(network.state_dict())
