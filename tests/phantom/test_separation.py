"""Tubes give way to each other: synthetic crossings with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulmomap.phantom.growth import Tree
from pulmomap.phantom.separation import Obstacles, give_way, never_touching, tubes, without_touching


def straight(start: tuple[float, float, float], end: tuple[float, float, float], lobe: int = 1) -> Tree:
    tree = Tree()
    tree.line([np.array(start), np.array(end)], -1, lobe)
    return tree


def gap(tree: Tree, radii: np.ndarray, obstacles: Obstacles) -> float:
    axis = tubes(tree, radii)
    return float((obstacles.gap(axis.points, 30.0)[0] - axis.radii).min())


@pytest.fixture
def post() -> Obstacles:
    """A tube of 3 mm radius along z."""
    tree = straight((0, 0, -60), (0, 0, 60))
    return Obstacles([tubes(tree, np.full(len(tree), 3.0))])


def test_the_gap_is_the_distance_to_the_surface(post: Obstacles) -> None:
    distance, away = post.gap(np.array([[7.0, 0.0, 10.0], [0.0, -2.0, 0.0], [0.0, 300.0, 0.0]]))
    assert distance[:2] == pytest.approx([4.0, -1.0], abs=0.03)
    assert distance[2] == np.inf
    assert away[:2] == pytest.approx(np.array([[1.0, 0, 0], [0, -1.0, 0]]), abs=0.1)


def test_a_thin_tube_nearby_does_not_hide_a_thick_one() -> None:
    thick, thin = straight((0, 0, -20), (0, 0, 20)), straight((9, 0, -20), (9, 0, 20))
    obstacles = Obstacles([tubes(thick, np.full(len(thick), 8.0)), tubes(thin, np.full(len(thin), 0.5))])
    assert obstacles.gap(np.array([[8.4, 2.0, 0.0]]))[0][0] == pytest.approx(np.hypot(8.4, 2.0) - 8.0, abs=0.05)


@settings(max_examples=25, deadline=None)
@given(st.floats(-4, 4), st.floats(-1, 1), st.floats(0.6, 3.0), st.integers(0, 1000))
def test_a_crossing_tube_bends_round_the_other(offset: float, slope: float, radius: float, seed: int) -> None:
    post = straight((0, 0, -60), (0, 0, 60))
    obstacles = Obstacles([tubes(post, np.full(len(post), 3.0))])
    tree = straight((-30, offset, -30 * slope), (30, offset, 30 * slope))
    radii, ends = np.full(len(tree), radius), (tree.points[0].copy(), tree.points[-1].copy())
    fixed = np.zeros(len(tree), dtype=bool)
    fixed[0] = True
    give_way(tree, radii, obstacles, 0.3, fixed, np.random.default_rng(seed))
    assert gap(tree, radii, obstacles) > 0.2
    assert np.array_equal(tree.points[0], ends[0])
    assert np.linalg.norm(tree.points[-1] - ends[1]) < 3.0
    links = np.diff(np.array(tree.points), axis=0)
    assert np.linalg.norm(links, axis=1).max() < 8.0


def test_what_is_clear_stays_where_it_is(post: Obstacles) -> None:
    tree = straight((-30, 10, 0), (30, 10, 0))
    before = np.array(tree.points)
    give_way(tree, np.full(len(tree), 2.0), post, 0.3, np.zeros(len(tree), dtype=bool), np.random.default_rng(0))
    assert np.array_equal(before, np.array(tree.points))


def test_a_tip_that_touches_is_taken_off_with_all_beyond(post: Obstacles) -> None:
    tree = straight((-30, 0, 0), (30, 0, 0))
    cut, radii = without_touching(tree, np.full(len(tree), 1.0), post, 0.2)
    assert 0 < len(cut) < len(tree) / 2
    assert np.array(cut.points)[:, 0].max() < -4.0
    assert len(radii) == len(cut)


def test_a_branch_with_much_beyond_is_thinned_and_never_widens_again(post: Obstacles) -> None:
    tree = straight((-30, 4.5, 0), (30, 4.5, 0))
    for tip in range(15):
        tree.line([np.array([40.0, 4.5 + tip, 5.0])], 20, 1)
    radii = np.full(len(tree), 2.0)
    thin, result = without_touching(tree, radii, post, 0.2)
    assert len(thin) == len(tree)
    assert gap(thin, result, post) == pytest.approx(0.2, abs=0.06)
    parents = np.array(thin.parents)
    assert (result[1:] <= result[parents[1:]]).all()
    assert (result[:5] == 2.0).all()


def test_a_thick_tube_behind_a_thin_one_of_like_thickness_is_not_overlooked() -> None:
    """Both are of one class of thickness; the thin one's axis is nearer, the thick one's surface touches."""
    thin, thick = straight((0, 4.9, -20), (0, 4.9, 20)), straight((0, -5.0, -20), (0, -5.0, 20))
    both = Obstacles([tubes(thin, np.full(len(thin), 2.5)), tubes(thick, np.full(len(thick), 4.5))])
    tree = straight((-30, 0, 0), (30, 0, 0))
    radii = np.full(len(tree), 0.8)
    assert both.room(np.zeros((1, 3)), np.ones(1))[0] == pytest.approx(0.5, abs=0.03)
    assert both.room(np.array([[30.0, 0.0, 0.0]]), np.ones(1))[0] == np.inf
    assert len(without_touching(tree, radii, both, 0.05)[0]) == len(tree)
    cut, _ = never_touching(tree, radii, both, 0.05)
    assert 0 < len(cut) < len(tree) / 2
