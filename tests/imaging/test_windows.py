"""Sliding windows: counts known from the literature, coverage, and a blend that does not change what agrees."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pulmomap.imaging.windows import Blend, Tiling, read_window

sizes = st.tuples(*[st.integers(1, 40)] * 3)
tiles = st.tuples(*[st.integers(1, 16)] * 3)
overlaps = st.sampled_from([0.0, 0.25, 0.5, 0.625, 0.75])


@pytest.mark.parametrize(
    ("size", "tile", "overlap", "counts"),
    [
        ((350, 350, 150), (64, 64, 64), 0.75, (19, 19, 7)),
        ((350, 350, 150), (64, 64, 64), 0.5, (10, 10, 4)),
        ((460, 340, 300), (192, 192, 128), 0.25, (3, 3, 3)),
        ((460, 340, 300), (192, 192, 128), 0.5, (4, 3, 4)),
        ((64, 64, 64), (64, 64, 64), 0.5, (1, 1, 1)),
        ((30, 64, 65), (64, 64, 64), 0.5, (1, 1, 2)),
    ],
)
def test_window_counts(size: Any, tile: Any, overlap: float, counts: Any) -> None:
    tiling = Tiling(size, tile, overlap)
    assert tiling.counts == counts
    assert len(list(tiling.windows())) == prod(counts)


@given(sizes, tiles, overlaps)
def test_windows_cover_the_volume_and_overlap_enough(size: Any, tile: Any, overlap: float) -> None:
    for starts, extent, side in zip(Tiling(size, tile, overlap).starts, size, tile, strict=True):
        assert starts[0] == 0
        assert starts[-1] == max(0, extent - side)
        steps = np.diff(starts)
        assert (steps > 0).all()
        assert (steps <= max(1, int(side * (1 - overlap) + 1e-6))).all()


@settings(deadline=None)
@given(sizes, tiles, overlaps)
def test_a_blended_constant_is_the_constant(size: Any, tile: Any, overlap: float) -> None:
    tiling = Tiling(size, tile, overlap)
    assume(prod(tiling.counts) < 400)
    blend = Blend(tiling, 2)
    for window in tiling.windows():
        blend.add(window, np.stack([np.full(tile, 1.0, np.float32), np.full(tile, -700.0, np.float32)]))
    np.testing.assert_allclose(blend.result[0], 1.0, atol=1e-5)
    np.testing.assert_allclose(blend.result[1] / 700, -1.0, atol=1e-5)


@settings(deadline=None)
@given(sizes, tiles, overlaps, st.integers(0, 2**32 - 1))
def test_an_identity_network_gives_back_the_volume(size: Any, tile: Any, overlap: float, seed: int) -> None:
    tiling = Tiling(size, tile, overlap)
    assume(prod(tiling.counts) < 400)
    volume = np.random.default_rng(seed).normal(0, 1, size).astype(np.float32)
    blend = Blend(tiling, 1)
    for window in tiling.windows():
        seen = read_window(volume, window, tile, fill=-9.0)
        assert seen.shape == tile
        blend.add(window, seen[None])
    np.testing.assert_allclose(blend.result[0], volume, atol=1e-5)


def test_the_blend_is_the_gaussian_weighted_mean() -> None:
    """Against sums of three-dimensional Gaussians (sigma an eighth of the window) and of their weights."""
    rng = np.random.default_rng(4)
    tiling = Tiling((20, 18, 9), (8, 8, 8), 0.5)
    grid = np.stack(np.meshgrid(*[np.arange(8) - 3.5] * 3, indexing="ij"))
    bell = np.exp(-0.5 * (grid**2).sum(axis=0))
    values, weights, blend = np.zeros(tiling.size), np.zeros(tiling.size), Blend(tiling, 1)
    for window in tiling.windows():
        prediction = rng.normal(0, 1, (1, 8, 8, 8)).astype(np.float32)
        blend.add(window, prediction)
        values[window] += bell * prediction[0]
        weights[window] += bell
    np.testing.assert_allclose(blend.result[0], values / weights, atol=1e-5)


def test_windows_without_mask_are_left_out_and_the_mask_stays_whole() -> None:
    tiling = Tiling((40, 40, 40), (16, 16, 16), 0.5)
    mask = np.zeros(tiling.size, np.uint8)
    mask[3:9, 20:31, 35:40] = 1
    windows = list(tiling.windows(mask))
    assert 0 < len(windows) < prod(tiling.counts) / 4
    assert all(mask[window].any() for window in windows)
    blend = Blend(tiling, 1)
    for window in windows:
        blend.add(window, np.ones((1, 16, 16, 16), np.float32))
    np.testing.assert_allclose(blend.result[0][mask > 0], 1, atol=1e-5)
    assert blend.result[0, -1, 0, 0] == 0
    assert list(tiling.windows(np.zeros_like(mask))) == []


def test_a_small_volume_is_filled_up_behind_its_end() -> None:
    tiling = Tiling((2, 5, 3), (4, 4, 4), 0.5)
    volume = np.ones((2, 2, 5, 3), np.float32)
    seen = read_window(volume, next(tiling.windows()), tiling.tile, fill=-1.0)
    assert seen.shape == (2, 4, 4, 4)
    assert (seen[:, :2, :, :3] == 1).all()
    assert (seen[:, 2:] == -1).all()
    assert (seen[..., 3] == -1).all()


def test_shapes_that_do_not_fit_are_errors() -> None:
    with pytest.raises(ValueError, match="overlap 1"):
        Tiling((4, 4, 4), (2, 2, 2), 1.0)
    tiling = Tiling((4, 4, 4), (2, 2, 2))
    with pytest.raises(ValueError, match=r"\(1, 3, 2, 2\).*\(1, 2, 2, 2\)"):
        Blend(tiling, 1).add(next(tiling.windows()), np.zeros((1, 3, 2, 2), np.float32))
