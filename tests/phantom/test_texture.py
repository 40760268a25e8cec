"""What the realism benchmark measures, on images whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from highdicom import Volume
from scipy.ndimage import gaussian_filter

from benchmarks.texture import edge, lung_blocks, noise, separability


def volume(array: np.ndarray) -> Volume:
    return Volume(array.astype(np.float32), np.eye(4), coordinate_system="PATIENT")


def body(deviation: float, blur: float = 0.0) -> np.ndarray:
    array = np.full((24, 160, 160), -1000.0)
    array[:, 40:, 20:140] = 40.0
    array = gaussian_filter(array, (0, blur, blur)) if blur else array
    return array + np.random.default_rng(0).normal(0.0, deviation, array.shape)


def test_noise_of_even_tissue() -> None:
    deviation, frequency = noise(volume(body(12.0)))
    assert deviation == pytest.approx(12.0, rel=0.05)
    assert 0.25 < frequency < 0.4  # white noise: two thirds of the Nyquist frequency


@pytest.mark.parametrize("blur", [0.8, 1.5])
def test_edge_width(blur: float) -> None:
    assert edge(volume(body(1.0, blur))) == pytest.approx(2.563 * blur, abs=0.35)


def test_like_cannot_be_told_from_like_and_unlike_can() -> None:
    def blocks(seed: int, deviation: float) -> np.ndarray:
        array = np.random.default_rng(seed).normal(-850.0, deviation, (48, 64, 64))
        return lung_blocks(volume(array), volume(np.ones(array.shape)))

    same = separability([blocks(0, 20), blocks(1, 20)], [blocks(2, 20), blocks(3, 20)])
    other = separability([blocks(0, 20), blocks(1, 20)], [blocks(2, 40), blocks(3, 40)])
    assert abs(same - 0.5) < 0.25
    assert other > 0.99
