"""The scanner model against numbers it was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pulmomap.phantom.fields import Grid
from pulmomap.phantom.physics import (
    PROFILE,
    NoiseField,
    Streaks,
    add_streaks,
    beat,
    blur,
    correlated_noise,
    digitise,
    edge_response,
    noise_power,
)
from pulmomap.phantom.population import Kernel, Scan

GRID = Grid(np.array([-40.0, -40.0, -20.0]), np.ones(3), (40, 80, 80))


def scan(kernel: Kernel = "standard", noise: float = 15.0) -> Scan:
    return Scan(kernel=kernel, in_plane=0.7, slice_width=1.2, noise=noise)


@pytest.mark.parametrize("kernel", ["soft", "standard", "lung"])
def test_noise_is_as_loud_as_asked_and_coarser_for_softer_kernels(kernel: Kernel) -> None:
    noise = correlated_noise(GRID, scan(kernel, 20.0), np.random.default_rng(0))
    assert noise.std() == pytest.approx(20.0, rel=0.03)
    assert abs(noise.mean()) < 1.0


def test_smoothing_by_slabs_is_that_of_the_whole_volume() -> None:
    """Oracle: SciPy's filter over all slices at once. Borders are mirrored in the scan, periodic in the noise."""
    tissue = np.random.default_rng(4).standard_normal((23, 31, 29), dtype=np.float32)
    grid, setting = Grid(np.zeros(3), np.array([0.8, 0.8, 1.1]), (23, 31, 29)), scan("soft", 20.0)
    sigma = np.array([PROFILE * 1.2 / 1.1, 0.7 / 0.8, 0.7 / 0.8])
    assert np.array_equal(blur(tissue, grid, setting), gaussian_filter(tissue, sigma, truncate=3.0))
    white = np.random.default_rng(5).standard_normal((23, 31, 29), dtype=np.float32)
    expected = gaussian_filter(white, np.array([0.5 / 1.1, 1.0 / 0.8, 1.0 / 0.8]), truncate=2.5, mode="wrap")
    noise = correlated_noise(grid, setting, np.random.default_rng(5))
    assert np.allclose(noise / expected, noise[0, 0, 0] / expected[0, 0, 0], rtol=1e-3)


def test_sharper_kernels_have_finer_noise() -> None:
    means = []
    for kernel in ("soft", "standard", "lung"):
        noise = correlated_noise(GRID, scan(kernel), np.random.default_rng(0))  # type: ignore[arg-type]
        frequency, power = noise_power(noise[:, :32, :32], 1.0)
        means.append((power * frequency**2).sum() / (power * frequency).sum())
    assert means == sorted(means)


def test_noise_power_of_white_noise_is_flat_and_holds_its_variance() -> None:
    noise = np.random.default_rng(1).normal(0.0, 10.0, (400, 32, 32))
    frequency, power = noise_power(noise, 0.5)
    assert power[3:] == pytest.approx(100.0 * 0.25, rel=0.1)
    assert frequency[-1] < 1.0


def test_two_draws_are_independent_and_shoulders_are_louder() -> None:
    tissue = np.full(GRID.shape, -1000.0, dtype=np.float32)
    tissue[:, 25:55, 25:55] = 40.0
    tissue[30:, 10:70, 5:75] = 40.0
    field = NoiseField(tissue, GRID, scan(), np.random.default_rng(0))
    quiet = np.zeros(GRID.shape, dtype=np.float32)
    first, second = field.scanned(quiet), field.scanned(quiet)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05
    assert first[32:].std() > 1.3 * first[:25].std()


def test_edge_rises_over_the_distance_of_the_point_spread() -> None:
    step = np.where(np.arange(80) < 40, -1000.0, 0.0).astype(np.float32)
    image = blur(np.broadcast_to(step, GRID.shape).copy(), GRID, scan())[20, 40]
    fine = np.interp(np.arange(0, 79, 0.01), np.arange(80), image)
    rise = (np.argmax(fine > -100) - np.argmax(fine > -900)) * 0.01
    # The voxel itself adds its width to the point spread's.
    assert rise == pytest.approx(edge_response(scan()), abs=0.6)


def test_streaks_stay_near_and_add_nothing_on_average() -> None:
    image = np.zeros(GRID.shape, dtype=np.float32)
    points = np.array([[0.0, 0.0, -10.0], [0.0, 0.0, 10.0]])
    add_streaks(image, GRID, Streaks(points, 40.0), np.random.default_rng(0), reach=25.0)
    assert not image[[0, -1]].any()
    assert not image[20, :10].any()
    assert image[20, 30:50, 30:50].std() > 5.0
    assert abs(image[12:28].mean()) < 3.0


def test_the_heart_beats_and_nothing_else() -> None:
    image = np.random.default_rng(0).normal(0.0, 50.0, GRID.shape).astype(np.float32)
    before = image.copy()
    box = (slice(10, 20), slice(20, 40), slice(20, 40))
    share = np.ones((10, 20, 20), dtype=np.float32)
    share[:, :5] = 0.0
    beat(image, (box, share), GRID, np.random.default_rng(3))
    changed = image != before
    assert changed[10:20, 25:40, 20:40].mean() > 0.9
    changed[10:20, 25:40, 20:40] = False
    assert not changed.any()


def test_values_fit_twelve_bits() -> None:
    assert digitise(np.array([-5000.0, 0.4, 9000.0], dtype=np.float32)).tolist() == [-1024, 0, 3071]
