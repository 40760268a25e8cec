"""Vessels on voxels hold together."""

from __future__ import annotations

import numpy as np
from cc3d import connected_components
from hypothesis import given, settings
from hypothesis import strategies as st

from pulmomap.phantom.fields import Grid
from pulmomap.phantom.growth import Tree
from pulmomap.phantom.tubes import FILLED, occupancy, vessel_mask

GRID = Grid(np.full(3, -11.5), np.ones(3), (24, 24, 24))
THINNEST = np.sqrt(FILLED / np.pi)  # mm: a cross-section of this share of a voxel's face


def masks(start: np.ndarray, end: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Which voxels are filled, and which are called vessel."""
    tree = Tree()
    tree.line([start, end], -1)
    share = occupancy(tree, np.full(len(tree.points), radius), GRID)
    return share >= FILLED, vessel_mask(tree, np.full(len(tree.points), radius), GRID, share)


@settings(max_examples=40, deadline=None)
@given(
    direction=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 0.2),
    centre=st.tuples(*[st.floats(-1, 1)] * 3),
    radius=st.floats(THINNEST + 1e-6, 2.0),
)
def test_a_vessel_that_can_be_seen_is_whole(
    direction: tuple[float, ...], centre: tuple[float, ...], radius: float
) -> None:
    along = np.array(direction) / np.linalg.norm(direction)
    filled, whole = masks(np.array(centre) - 8 * along, np.array(centre) + 8 * along, radius)
    assert connected_components(whole, connectivity=26, return_N=True)[1] == 1
    assert (whole >= filled).all()
    # Along its axis from end to end: a voxel for each step of the axis's longest direction.
    assert whole.sum() >= 16 * np.abs(along).max() - 1


def test_between_two_voxels_a_thin_vessel_fills_neither() -> None:
    filled, whole = masks(np.array([0.0, 0.0, -8.0]), np.array([0.0, 0.0, 8.0]), 0.4)
    assert not filled.any()
    assert 15 <= whole.sum() <= 17


def test_what_is_too_thin_to_be_seen_is_no_vessel() -> None:
    filled, whole = masks(np.array([0.5, 0.5, -8.0]), np.array([0.5, 0.5, 8.0]), THINNEST - 0.02)
    assert np.array_equal(filled, whole)
