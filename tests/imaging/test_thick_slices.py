from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulmomap.imaging.thick_slices import slab_weights, thick_slices


@given(st.floats(1, 6), st.floats(0.5, 6), st.integers(1, 6), st.floats(0, 3))
def test_every_row_weighs_one_within_its_box(thickness: float, step: float, count: int, lead: float) -> None:
    centres = lead + thickness / 2 - 0.5 + step * np.arange(count, dtype=np.float64)
    size = int(np.ceil(centres[-1] + thickness / 2 + 0.5)) + 1
    weights = slab_weights(centres, thickness, size)
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)
    assert (weights >= 0).all()
    reach = np.abs(centres[:, None] - np.arange(size)) > (thickness + 1) / 2 + 1e-6
    assert not weights[reach].any()


def test_the_mean_is_that_of_a_box_over_finely_sampled_slices() -> None:
    """Each thin slice cut into a thousand: the plain mean of those within the box."""
    thin = np.random.default_rng(0).normal(0, 100, 12)
    fine = np.repeat(thin, 1000)
    place = (np.arange(12_000) + 0.5) / 1000 - 0.5
    for centre, thickness in ((4.3, 2.7), (6.0, 3.0), (5.5, 5.0), (7.25, 1.0)):
        inside = np.abs(place - centre) < thickness / 2
        weights = slab_weights(np.array([centre]), thickness, 12)
        assert (weights @ thin)[0] == pytest.approx(fine[inside].mean(), abs=0.3)


def test_whole_slabs_side_by_side_are_plain_means() -> None:
    volume = np.random.default_rng(1).normal(0, 100, (12, 3, 4)).astype(np.float32)
    thick, first = thick_slices(volume, 3, 3)
    assert first == 1
    np.testing.assert_allclose(thick, volume.reshape(4, 3, 3, 4).mean(1), atol=1e-3)


def test_overlapping_slabs() -> None:
    volume = np.arange(20.0)[:, None, None]
    thick, first = thick_slices(volume, 2, 4)
    assert thick.shape == (9, 1, 1)
    np.testing.assert_allclose(thick[:, 0, 0], first + 2 * np.arange(9), atol=1e-5)


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.5 slices"):
        slab_weights(np.array([3.0]), 0.5, 10)
    with pytest.raises(ValueError, match="cannot be made of 4 slices"):
        slab_weights(np.array([3.0]), 3.0, 4)
