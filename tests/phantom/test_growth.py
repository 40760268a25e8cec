"""Trees and tubes against what can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import cKDTree, distance_matrix

from pulmomap.phantom.fields import Coarse, Grid, Lens
from pulmomap.phantom.generations import generations, levels
from pulmomap.phantom.growth import (
    Growth,
    Points,
    Tree,
    central,
    fill,
    leaves_below,
    murray,
    smooth,
    tapered,
    widened,
    without_twigs,
)
from pulmomap.phantom.separation import Obstacles, tubes
from pulmomap.phantom.supernumerary import Twigs, sprout
from pulmomap.phantom.tubes import occupancy


def y_tree() -> Tree:
    """A stem of three nodes with two arms of three nodes and one twig of a single node."""
    tree = Tree()
    stem = tree.line([np.zeros(3), np.array([0, 0, 6.0])], -1)
    tree.line([np.array([9.0, 0, 6.0])], stem)
    tree.line([np.array([-9.0, 0, 6.0])], stem)
    tree.add(np.array([0, 2.0, 3.0]), 1)
    return tree


def stem() -> Tree:
    """A stem that points upwards to (0, 0, -40)."""
    tree = Tree()
    tree.line([np.array([0.0, 0.0, -60.0]), np.array([0.0, 0.0, -40.0])], -1)
    return tree


def test_every_target_is_reached_or_near() -> None:
    targets = np.random.default_rng(0).uniform(-30, 30, (300, 3))
    tree = stem()
    fill(tree, [len(tree) - 1], targets, Growth(step=3.0, reach=5.0), lobe=2, segment=7)
    assert cKDTree(tree.arrays()[0]).query(targets)[0].max() < 1e-9
    assert set(tree.lobes) == {0, 2}
    assert set(tree.segments) == {0, 7}


def length_of(tree: Tree) -> float:
    points, parents = tree.arrays()
    return float(np.linalg.norm(points[1:] - points[parents[1:]], axis=1).sum())


def test_where_only_vessel_costs_the_tree_is_the_shortest_there_is() -> None:
    targets = np.random.default_rng(1).uniform(-30, 30, (120, 3))
    tree = Tree()
    tree.add(np.zeros(3), -1)
    fill(tree, [0], targets, Growth(step=1e9, reach=0.0, direct=0.0, turning=0.0))
    shortest = minimum_spanning_tree(distance_matrix(*2 * [np.vstack([np.zeros((1, 3)), targets])])).sum()
    assert length_of(tree) == pytest.approx(shortest)


def test_where_only_the_way_counts_every_target_has_a_straight_branch() -> None:
    targets = np.random.default_rng(2).uniform(-30, 30, (50, 3))
    tree = Tree()
    tree.add(np.zeros(3), -1)
    fill(tree, [0], targets, Growth(step=1e9, reach=0.0, direct=1e6, turning=0.0))
    assert length_of(tree) == pytest.approx(np.linalg.norm(targets, axis=1).sum())


def test_branches_run_straighter_where_turning_is_dear() -> None:
    def turns(turning: float) -> float:
        tree = stem()
        first = len(tree)
        targets = np.random.default_rng(3).uniform(-30, 30, (200, 3))
        fill(tree, [first - 1], targets, Growth(step=3.0, reach=5.0, turning=turning))
        points, parents = tree.arrays()
        new = np.arange(first, len(points))
        here, before = points[new] - points[parents[new]], points[parents[new]] - points[parents[parents[new]]]
        cosine = (here * before).sum(1) / np.linalg.norm(here, axis=1) / np.linalg.norm(before, axis=1)
        return float(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))).mean())

    assert turns(1.5) < 0.8 * turns(0.0)


def test_a_branch_stays_before_a_wall() -> None:
    tree = stem()

    def below_the_wall(points: Points) -> Points:
        return np.minimum(points, [np.inf, np.inf, -30.0])

    fill(tree, [len(tree) - 1], np.array([[0.0, 0.0, 20.0]]), Growth(step=3.0, reach=5.0, aside=below_the_wall))
    assert tree.arrays()[0][:, 2].max() == -30.0


def test_targets_go_to_the_cheapest_start_and_those_in_reach_to_none() -> None:
    tree = stem()
    ends = [tree.add(np.array([side, 0.0, -38.0]), len(tree) - 1) for side in (-20.0, 20.0)]
    targets = np.array([[-25.0, 0.0, -20.0], [21.0, 0.0, -37.0]])
    fill(tree, ends, targets, Growth(step=3.0, reach=5.0))
    assert tree.arrays()[0][ends[-1] + 1 :, 0].max() < 0


def test_the_last_branches_taper_and_no_others() -> None:
    tree = y_tree()  # two arms of three nodes, a twig of one
    radii = tapered(tree, np.ones(len(tree)), 0.25)
    assert radii[:3].tolist() == [1.0, 1.0, 1.0]
    assert radii[3:].tolist() == pytest.approx([0.75, 0.5, 0.25, 0.75, 0.5, 0.25, 0.25])


def test_murray_adds_up_at_every_branching() -> None:
    tree = y_tree()
    assert leaves_below(tree)[0] == 3
    radii = murray(tree, 1.0, 3.0, 99.0)
    assert radii[0] ** 3 == pytest.approx(3.0)
    assert murray(tree, 1.0, 3.0, 1.2).max() == 1.2


def test_central_vessels_are_wide_and_never_widen_again() -> None:
    tree = y_tree()
    tree.lobes = [0, 0, 0, *([1] * (len(tree) - 3))]
    radii = central(murray(tree, 1.0, 3.0, 99.0), tree, 12.0, 3.0)
    assert radii[0] == 12.0
    assert radii[2] == pytest.approx(12.0 * (2 / 3) ** (1 / 3))  # the twig's tip has left before
    assert radii[3:].max() <= 2.0 ** (1 / 3)


def test_vessels_widen_towards_the_root_and_tips_stay_as_they_are() -> None:
    tree = y_tree()
    fine = murray(tree, 1.0, 3.0, 99.0)
    wide = widened(fine, tree, 12.0, 3.0, branches=1)
    assert wide[0] == 12.0
    assert wide[3:].tolist() == fine[3:].tolist()
    between = np.log(2) / np.log(3)  # the two arms' share of the way from a tip to the root
    full = 12.0 * (2 / 3) ** (1 / 3)
    assert wide[2] == pytest.approx(fine[2] * (full / fine[2]) ** (between**4))
    assert widened(fine, tree, 12.0, 3.0, branches=2)[2] == pytest.approx(full)
    assert widened(fine, tree, 0.5, 3.0).tolist() == fine.tolist()


def test_generations_pass_thin_twigs_and_count_divisions() -> None:
    tree = y_tree()
    radii = np.where(np.arange(len(tree)) == len(tree) - 1, 0.1, 1.0)
    found = generations(tree, radii)
    assert found[:3].tolist() == [0, 0, 0]
    assert set(found[3:-1]) == {1}
    assert found[-1] == 1  # the twig itself
    assert levels(tree, radii).max() == 0


def test_side_branches_stay_inside_and_clear_of_other_trees() -> None:
    rng = np.random.default_rng(1)
    tree, other = Tree(), Tree()
    tree.line([np.array([0.0, 0.0, -40.0]), np.array([0.0, 0.0, 40.0])], -1, lobe=1)
    other.line([np.array([4.0, 0.0, -40.0]), np.array([4.0, 0.0, 40.0])], -1, lobe=1)
    before = len(tree)
    others = Obstacles([tubes(other, np.full(len(other), 1.0))])
    radii = sprout(tree, np.full(before, 1.5), Twigs(every=2.0), lambda points: points[:, 1] > 0.0, others, rng)
    added = np.array(tree.points)[before:]
    assert len(added) > 10
    assert (added[:, 1] > 0).all()
    assert cKDTree(np.array(other.points)).query(added)[0].min() > 1.0 + Twigs().clearance - 0.1
    assert (radii[before:] <= 0.9 * 1.5).all()
    assert (radii[1:] <= radii[np.array(tree.parents)[1:]] + 1e-9).all()


def test_twigs_fall_and_branches_stay() -> None:
    tree = y_tree()
    pruned = without_twigs(tree, 2)
    assert len(pruned) == len(tree) - 1
    assert leaves_below(pruned)[0] == 2


def test_smoothing_keeps_central_nodes_and_tips_and_straightens_the_rest() -> None:
    tree = y_tree()
    tree.lobes = [0, 0, 0, *([1] * (len(tree) - 3))]
    before, _ = tree.arrays()
    smooth(tree, 3)
    after, parents = tree.arrays()
    tips = np.setdiff1d(np.arange(len(parents)), parents)
    assert np.array_equal(before[:3], after[:3])
    assert np.array_equal(before[tips], after[tips])
    arm = Tree()
    for x, y in ((0.0, 0.0), (3.0, 2.0), (6.0, -2.0), (9.0, 2.0), (12.0, 0.0)):
        arm.add(np.array([x, y, 0.0]), len(arm) - 1, lobe=1)
    held = Tree(list(arm.points), list(arm.parents), list(arm.lobes), list(arm.segments))
    smooth(held, 4, first=3)
    assert np.array_equal(held.arrays()[0][:3], arm.arrays()[0][:3])
    assert not np.array_equal(held.arrays()[0][3], arm.arrays()[0][3])
    smooth(arm, 4)
    assert np.abs(arm.arrays()[0][1:, 1]).max() < 0.5


@pytest.mark.parametrize(("radius", "tolerance"), [(0.3, 0.08), (0.6, 0.05), (1.0, 0.03), (3.0, 0.02), (8.0, 0.02)])
def test_tube_fills_its_volume(radius: float, tolerance: float) -> None:
    """A straight cylinder through a 1 mm grid, over many places in the voxel; also a vessel thinner than a voxel."""
    grid = Grid(np.array([-15.0, -15.0, -15.0]), np.ones(3), (30, 30, 30))
    areas = []
    for x, y in np.random.default_rng(0).uniform(-0.5, 0.5, (100, 2)):
        tree = Tree()
        tree.line([np.array([x, y, -12.0]), np.array([x, y, 12.0])], -1)
        areas.append(occupancy(tree, np.full(len(tree), radius), grid)[10:20].sum() / 10)
    assert np.mean(areas) == pytest.approx(np.pi * radius**2, rel=tolerance)


def test_coarse_shapes_are_exact_on_their_surface() -> None:
    grid = Grid(np.array([-30.0, -30.0, -30.0]), np.ones(3), (60, 60, 60))
    coarse = Coarse(grid.origin, grid.origin + grid.extent, np.random.default_rng(0))
    lens = Lens(coarse, grid)
    ball = lens.onto_voxels(coarse.ellipsoid(np.zeros(3), np.array([20.0, 20.0, 20.0])))
    volume = np.clip(0.5 - ball, 0, 1).sum()
    assert volume == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.03)
    ramp = lens.onto_voxels((2 * coarse.x + 3 * coarse.y - coarse.z).astype(np.float32))
    z, y, x = np.meshgrid(*(np.arange(60) - 30.0 for _ in range(3)), indexing="ij")
    assert np.allclose(ramp, 2 * x + 3 * y - z, atol=1e-3)


def test_blocks_leave_out_only_what_is_not_below() -> None:
    grid = Grid(np.array([-30.0, -28.0, -26.0]), np.array([1.1, 0.9, 1.3]), (41, 62, 50))
    coarse = Coarse(grid.origin, grid.origin + grid.extent, np.random.default_rng(1))
    lens, values = Lens(coarse, grid), coarse.irregular(3.0, 9.0)
    whole = lens.onto_voxels(values)
    seen = np.zeros(grid.shape, dtype=bool)
    for block, fine in lens.blocks(values, -3.0):
        assert np.array_equal(fine, whole[block])
        seen[block] = True
    assert (whole < -3.0).any()
    assert seen[whole < -3.0].all()
    assert not seen.all()
    inner = (slice(3, 17), slice(20, 50), slice(5, 31))
    assert np.array_equal(np.concatenate([fine for _, fine in lens.blocks(values, box=inner)]), whole[inner])
