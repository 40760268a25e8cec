"""What the realism benchmark measures, on images whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from highdicom import Volume
from scipy.ndimage import gaussian_filter

from benchmarks.texture import bright_points, edge, lung_blocks, noise, separability


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


def test_vessels_across_the_slices_are_counted_by_their_depth() -> None:
    lungs, hu = np.zeros((300, 120, 120), dtype=bool), np.full((300, 120, 120), -1000.0)
    lungs[:, 10:110, 10:110] = True
    hu[lungs] = -860.0
    for row in range(22, 100, 25):  # four by four lines along z, the outer twelve 12 to 15 mm below the surface
        for column in range(22, 100, 25):
            hu[:, row : row + 2, column : column + 2] = 0.0
            lungs[:, row : row + 2, column : column + 2] = False  # a mask of air leaves them out
    counted = bright_points(volume(hu), volume(lungs))
    # The first and the last slices are a surface too, where all lines count as less deep: of 300 slices, some 24.
    assert counted["points a cm2, 4 to 8 mm deep"] < 0.03
    assert counted["points a cm2, 8 to 15 mm deep"] == pytest.approx(100 * 12 / (84**2 - 70**2), rel=0.15)
    assert counted["points a cm2, 15 to 25 mm deep"] < 0.03
    assert counted["points a cm2, 25 to 40 mm deep"] == pytest.approx(100 * 4 / (50**2 - 20**2), rel=0.25)
