"""The way through a volume that stays on a GPU, on whatever device is here, beside the one in numpy."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from pulmomap.imaging.windows import Tiling
from pulmomap.inference.bundle import load_bundle
from pulmomap.inference.runtime import TorchRuntime, open_runtime
from pulmomap.inference.sliding import on_device, sliding_probabilities
from tests.inference.made_bundle import WriteBundle, random_network

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"))]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("together", [1, 3 * 16**3, 10**6])
@pytest.mark.parametrize("overlap", [0.25, 0.5])
def test_both_ways_give_one_answer(
    device: Literal["cpu", "cuda"],
    together: int,
    overlap: float,
    write_bundle: WriteBundle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pulmomap.inference.sliding.TOGETHER", together)
    stacked = np.random.default_rng(0).uniform(-1, 1, (2, 40, 28, 36)).astype(np.float32)
    tiling, told = Tiling((40, 28, 36), (16, 16, 16), overlap), list[float]()
    plain = open_runtime(load_bundle(write_bundle("segmentation")), "cpu", "f32")
    expected = sliding_probabilities(stacked, plain, tiling, 3)
    network = TorchRuntime(random_network("segmentation").eval(), device, "f32", 3)
    found = on_device(stacked, network, tiling, 3, told.append)
    assert found.shape == expected.shape == (3, 40, 28, 36)
    assert expected.std() > 0.05  # the network decides something
    np.testing.assert_allclose(found, expected, atol=2e-4 if device == "cpu" else 0.02)  # CUDA may use TF32
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_an_answer_that_is_too_small_for_the_volume_cannot_pass() -> None:
    """Windows and network must agree in size: a mistake there would shift vessels."""
    network = TorchRuntime(torch.nn.AvgPool3d(2), "cpu", "f32", 3)
    with pytest.raises(RuntimeError, match="size of tensor"):
        on_device(np.zeros((3, 16, 16, 16), np.float32), network, Tiling((16, 16, 16), (16, 16, 16)), 3)
