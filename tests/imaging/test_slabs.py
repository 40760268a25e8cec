"""2.5D slabs and their assembly: an identity generator must give back the volume, voxel for voxel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pulmomap.imaging.slabs import Mode, assemble, slab_centres, slabs

modes = st.sampled_from(["averaged", "centre", "stride3"])


def batches(predictions: NDArray[np.float32], size: int) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(predictions), size):
        yield predictions[start : start + size]


@given(st.integers(1, 14), modes, st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_an_identity_generator_gives_back_the_volume(depth: int, mode: Mode, batch: int, seed: int) -> None:
    volume = np.random.default_rng(seed).normal(0, 0.7, (depth, 3, 4)).astype(np.float32)
    stacked = slabs(volume, slab_centres(depth, mode))
    np.testing.assert_array_equal(assemble(batches(stacked, batch), depth, mode), volume)


def test_beyond_the_ends_the_outermost_slice_is_repeated() -> None:
    volume = np.arange(4)[:, None, None] * np.ones((1, 2, 2), np.int16)
    np.testing.assert_array_equal(slabs(volume, [0, 3, 1])[:, :, 0, 0], [[0, 0, 1], [2, 3, 3], [0, 1, 2]])
    np.testing.assert_array_equal(slabs(volume, [1], width=5)[0, :, 1, 1], [0, 0, 1, 2, 3])


@given(st.integers(1, 14), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_averaged_is_the_weighted_mean_of_all_predictions(depth: int, batch: int, seed: int) -> None:
    """Against a plain double loop with sums of values and of weights."""
    predictions = np.random.default_rng(seed).normal(0, 1, (depth, 3, 2, 2)).astype(np.float32)
    values, weights = np.zeros((depth, 2, 2)), np.zeros((depth, 1, 1))
    for centre in range(depth):
        for channel, weight in enumerate((0.25, 0.5, 0.25)):
            if 0 <= centre + channel - 1 < depth:
                values[centre + channel - 1] += weight * predictions[centre, channel]
                weights[centre + channel - 1] += weight
    np.testing.assert_allclose(assemble(batches(predictions, batch), depth), values / weights, atol=1e-6)


def test_centre_takes_only_the_middle_channel() -> None:
    predictions = np.stack([np.full((3, 2, 2), 10.0 * k) for k in range(5)])
    predictions[:, [0, 2]] = np.nan
    np.testing.assert_array_equal(assemble([predictions], 5, "centre")[:, 0, 0], [0, 10, 20, 30, 40])


@pytest.mark.parametrize(
    ("depth", "centres"), [(1, [0]), (2, [1]), (3, [1]), (4, [1, 3]), (5, [1, 4]), (6, [1, 4]), (7, [1, 4, 6])]
)
def test_stride3_lays_slabs_side_by_side(depth: int, centres: list[int]) -> None:
    assert slab_centres(depth, "stride3").tolist() == centres


def test_half_precision_predictions_are_gathered_in_single_precision() -> None:
    predictions = np.full((4, 3, 2, 2), 0.3, np.float16)
    volume = assemble([predictions], 4)
    assert volume.dtype == np.float32
    np.testing.assert_array_equal(volume, np.float32(np.float16(0.3)))


@pytest.mark.parametrize(
    ("shape", "message"),
    [((3, 3, 2, 2), "3 predictions for the 4"), ((5, 3, 2, 2), "more predictions"), ((4, 2, 2, 2), "shape")],
)
def test_predictions_that_do_not_fit_are_an_error(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        assemble([np.zeros(shape, np.float32)], 4)


def test_an_even_slab_has_no_middle() -> None:
    with pytest.raises(ValueError, match="odd"):
        slabs(np.zeros((3, 2, 2)), [1], width=2)
    with pytest.raises(ValueError, match="no slabs"):
        slab_centres(0)
