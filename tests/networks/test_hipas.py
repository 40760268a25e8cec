"""HiPaS: the published sizes, what reaches a stage, and that it runs where the application runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pulmomap.imaging.vesselness import vesselness
from pulmomap.networks.hipas import Hipas
from pulmomap.networks.saliency_stage import PriorEntry, SaliencyUnet

torch.set_num_threads(1)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def convolution(into: int, out: int) -> int:
    return into * out * 27 + out


def test_the_released_sizes() -> None:
    """14,362,256 (2 images in, 2 maps out, width 24) and 6,396,813 (1 in, 1 out, width 16), with the released entry.

    That entry is a convolution on the prior and two on images and prior; ours is the published one.
    """
    for images, maps, width, released in ((2, 2, 24, 14_362_256), (1, 1, 16, 6_396_813)):
        entry = convolution(2, 2) + convolution(images + 2, images) + convolution(images, images)
        with torch.device("meta"):
            assert count(SaliencyUnet(images, maps, width)) + entry == released
            assert SaliencyUnet(images, maps, width)(torch.zeros(1, images, 16, 32, 48)).shape == (1, maps, 16, 32, 48)


def test_the_published_entry() -> None:
    assert count(PriorEntry()) == 2 * convolution(2, 2)
    entry = PriorEntry()
    nn.init.zeros_(entry.second.weight)
    nn.init.zeros_(entry.second.bias)  # type: ignore[arg-type]
    prior = torch.rand(1, 2, 4, 4, 4)
    assert torch.equal(entry(prior), prior), "the prior passes by its convolutions"


@pytest.mark.parametrize(("scales", "stride"), [((1, 1, 1, 1), 16), ((2, 1), 32)])
def test_both_forms_give_every_stage_in_training_and_classes_in_use(scales: tuple[int, ...], stride: int) -> None:
    torch.manual_seed(0)
    network = Hipas(widths=(2,) * len(scales), scales=scales)
    x = torch.randn(2, 2, 32, 32, 32) * 0.3
    assert network.stride == stride
    with torch.no_grad():
        stages = network.train()(x)
        classes = network.eval()(x)
    assert stages.shape == (2, len(scales), 2, 32, 32, 32)
    assert classes.shape == (2, 3, 32, 32, 32)
    torch.testing.assert_close(classes[:, 1:], stages[:, -1])
    assert not classes[:, 0].any()


def test_the_most_probable_class_above_one_half_is_the_largest_logit() -> None:
    network = Hipas(widths=(2,), scales=(1,), exclusive=False)
    logits = torch.randn(1, 2, 8, 8, 8)
    probability = network.probabilities(logits)
    expected = torch.where(probability.max(1).values > 0.5, probability.argmax(1) + 1, 0)
    assert torch.equal(torch.cat([torch.zeros(1, 1, 8, 8, 8), logits], 1).argmax(1), expected)


def test_exclusive_probabilities_leave_room_for_the_background() -> None:
    logits = torch.randn(1, 2, 4, 4, 4) * 5
    assert Hipas(widths=(2,), scales=(1,)).probabilities(logits).sum(1).max() < 1
    assert Hipas(widths=(2,), scales=(1,), exclusive=False).probabilities(logits).sum(1).max() > 1


def test_a_stage_is_shown_the_vesselness_in_millimetres() -> None:
    spacing = (1.5, 1.0, 0.8)
    network = Hipas(images=2, widths=(2,), scales=(1,), spacing_mm=spacing)
    x = torch.rand(1, 2, 16, 16, 16) - 0.9
    shown = network.shown(x)
    assert torch.equal(shown[:, :2], x)
    for image in range(2):
        expected = vesselness(x[0, image].numpy() * np.float32(1000), spacing)
        np.testing.assert_allclose(shown[0, 2 + image].numpy(), expected, atol=1e-5)


def test_the_second_image_is_ignored_when_one_is_looked_at() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(2, 1, 2, 32, 32, 32).unbind()
    y = torch.cat([x[:, :1], y[:, 1:]], 1)
    with torch.no_grad():
        one, two = (Hipas(images=images, widths=(2,), scales=(1,)).eval() for images in (1, 2))
        assert torch.equal(one(x), one(y))
        assert not torch.equal(two(x), two(y))


def test_a_stage_is_told_what_the_one_before_found_and_teaches_it_nothing() -> None:
    torch.manual_seed(0)
    network = Hipas(widths=(2, 2), scales=(1, 1))
    x = torch.randn(1, 2, 32, 32, 32) * 0.3
    network(x)[:, 1].square().sum().backward()
    first, second = network.stages
    assert not any(parameter.grad.any() for parameter in first.parameters() if parameter.grad is not None)
    assert any(parameter.grad.any() for parameter in second.parameters() if parameter.grad is not None)
    with torch.no_grad():
        before = network(x)[:, 1]
        first.unet.output.bias += 3.0  # type: ignore[union-attr, operator]
        assert not torch.allclose(network(x)[:, 1], before)


def test_every_parameter_learns() -> None:
    torch.manual_seed(0)
    network = Hipas(widths=(2, 2), scales=(2, 1))
    network(torch.randn(2, 2, 32, 32, 32) * 0.3).square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    silent = {name for name, gradient in gradients.items() if gradient is not None and not gradient.any()}
    # A bias before a norm per channel has no effect, and the first stage's prior is nothing but zeros.
    assert {name for name in silent if not name.endswith("spatial.bias")} == {"stages.0.prior.first.weight"}


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ValueError, match="2 widths and 1 scales"):
        Hipas(widths=(2, 2), scales=(1,))
    with pytest.raises(ValueError, match="3 of 2 images"):
        Hipas(images=3)


def test_openvino_gives_the_same_answer_at_another_size(tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="the CPU runtime is not installed")
    from pulmomap.inference.runtime import OpenVinoRuntime

    torch.manual_seed(0)
    network = Hipas(images=2, widths=(2, 2), scales=(2, 1), vesselness_mm=(1.0,)).eval()
    runtime = OpenVinoRuntime(network, torch.zeros(1, 2, 64, 64, 64), "f32", 1)
    x = torch.randn(1, 2, 32, 64, 32) * 0.3 - 0.5
    with torch.no_grad():
        expected = network(x).numpy()
    np.testing.assert_allclose(runtime(x.numpy()), expected, atol=2e-3)
