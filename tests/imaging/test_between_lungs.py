"""The hull of both lungs, and how closeness to it falls."""

from __future__ import annotations

import numpy as np
import pytest
from highdicom import Volume
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from skimage.morphology import convex_hull_image

from pulmomap.imaging.between_lungs import between_the_lungs, closeness, convex_hull


def volume(mask: np.ndarray) -> Volume:
    return Volume(mask.astype(np.uint8), np.eye(4), coordinate_system="PATIENT")


def test_hull_spans_both_lungs_and_nothing_else() -> None:
    mask = np.zeros((4, 20, 30), bool)
    mask[1:3, 5:15, 3:8] = mask[1:3, 5:15, 22:27] = True
    hull = between_the_lungs(volume(mask), volume(mask))
    assert not hull[[0, 3]].any()
    expected = np.zeros((20, 30), bool)
    expected[5:15, 3:27] = True
    assert np.array_equal(hull[1], expected)


@pytest.mark.parametrize("voxels", [[(2, 3)], [(2, 3), (2, 9)], [(2, 3), (3, 9)]])
def test_hull_of_a_few_voxels_is_no_error(voxels: list[tuple[int, int]]) -> None:
    mask = np.zeros((1, 12, 12), bool)
    mask[(0, *np.array(voxels).T)] = True
    assert between_the_lungs(volume(mask), volume(mask))[mask].all()


@settings(deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=25), elements=st.booleans()))
def test_hull_is_that_of_skimage(mask: np.ndarray) -> None:
    assume(mask.any() and np.ptp(np.argwhere(mask), axis=0).min() > 0)  # skimage has no hull of points on a line
    assert np.array_equal(convex_hull(mask), convex_hull_image(mask))


def test_closeness_falls_with_distance_in_mm() -> None:
    inside = np.zeros((2, 1, 30), bool)
    inside[0, 0, 10] = True
    near = closeness(inside, (3.0, 1.0, 0.5), 5.0)
    assert near[0, 0, [10, 12, 15, 20, 25]] == pytest.approx([1.0, 0.8, 0.5, 0.0, 0.0])
    assert near[1, 0, 10] == pytest.approx(0.4)
    assert np.array_equal(closeness(inside, (3.0, 1.0, 0.5), 0.0), inside.astype(np.float32))
