"""Skeletons drawn by hand, and thinned bodies against an independent graph library-free reading."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, label
from skimage.morphology import skeletonize

from pulmomap.metrics.skeleton import Skeleton, pruned, skeletonise

UNIT = (1.0, 1.0, 1.0)
SPACING = (1.0, 0.65, 0.65)
CUBE = np.ones((3, 3, 3))


def drawn(*points: tuple[int, int, int], spacing: tuple[float, float, float] = UNIT) -> Skeleton:
    return Skeleton(np.array(sorted(set(points))), spacing)


def line(start: tuple[int, int, int], step: tuple[int, int, int], count: int) -> list[tuple[int, int, int]]:
    z, y, x = start
    return [(z + n * step[0], y + n * step[1], x + n * step[2]) for n in range(count)]


def tee(arm: int) -> Skeleton:
    """A bar of 21 voxels with an arm in its middle."""
    return drawn(*line((0, 0, 0), (0, 0, 1), 21), *line((0, 1, 10), (0, 1, 0), arm))


@pytest.mark.parametrize(
    ("step", "expected"), [((0, 0, 1), 0.65 * 9), ((1, 0, 0), 9.0), ((1, 1, 1), 9 * np.sqrt(1 + 2 * 0.65**2))]
)
def test_length_follows_the_spacing(step: tuple[int, int, int], expected: float) -> None:
    curve = drawn(*line((2, 3, 4), step, 10), spacing=SPACING)
    assert (curve.voxels, curve.bifurcations, curve.branches) == (10, 0, 1)
    assert curve.length == pytest.approx(expected)


def test_a_corner_is_not_counted_twice() -> None:
    """Three voxels in an L all touch each other; the way through them is two steps of 1 mm."""
    assert drawn((0, 0, 0), (0, 0, 1), (0, 1, 1)).length == pytest.approx(2.0)


def test_a_cross_has_one_bifurcation_and_four_branches() -> None:
    """Its five middle voxels are all junctions (26-neighbours) and touch, so they are one bifurcation."""
    cross = drawn(*line((0, 9, 0), (0, 0, 1), 19), *line((0, 0, 9), (0, 1, 0), 19))
    assert (cross.degree >= 3).sum() == 5
    assert (cross.bifurcations, cross.branches) == (1, 4)


def test_a_ladder_has_two_bifurcations_and_five_branches() -> None:
    ladder = drawn(*line((0, 0, 0), (0, 1, 0), 20), *line((0, 0, 10), (0, 1, 0), 20), *line((0, 10, 0), (0, 0, 1), 11))
    assert (ladder.bifurcations, ladder.branches) == (2, 5)


def test_nothing_and_a_single_voxel() -> None:
    empty = skeletonise(np.zeros((4, 4, 4)), UNIT)
    assert (empty.voxels, empty.bifurcations, empty.branches, empty.length) == (0, 0, 0, 0.0)
    single = skeletonise(np.ones((1, 1, 1)), UNIT)
    assert (single.voxels, single.bifurcations, single.branches, single.length) == (1, 0, 1, 0.0)


@pytest.mark.parametrize(("arm", "radius", "stays"), [(3, 0.5, False), (4, 0.5, True), (5, 5.5, False), (6, 4.5, True)])
def test_spurs_by_voxels_and_by_radius(arm: int, radius: float, stays: bool) -> None:
    """The arm's first voxel is a junction, so its branch has one voxel less, and as many mm."""
    skeleton = tee(arm)
    after = pruned(skeleton, np.full(skeleton.voxels, radius))
    assert after.bifurcations == int(stays)
    assert after.voxels == 21 + (arm if stays else 0)


def test_pruning_goes_on_until_no_spur_is_left() -> None:
    """A fork of two short tips on an arm: without its tips the arm is itself a spur."""
    tips = [*line((0, 4, 11), (0, 1, 1), 2), *line((0, 4, 9), (0, 1, -1), 2)]
    skeleton = drawn(*line((0, 0, 0), (0, 0, 1), 21), *line((0, 1, 10), (0, 1, 0), 3), *tips)
    assert skeleton.bifurcations == 2
    assert pruned(skeleton, np.full(skeleton.voxels, 5.0)).bifurcations == 0


def test_free_pieces_and_loops_are_no_spurs() -> None:
    """A short piece on its own, and a loop of 8 voxels, stay however thick the vessel is."""
    ring = [(0, y, x) for y, x in itertools.product((20, 21, 22), repeat=2) if (y, x) != (21, 21)]
    ring = [point for point in ring if point[1:] not in ((20, 20), (20, 22), (22, 20), (22, 22))]
    skeleton = drawn((0, 0, 0), (0, 0, 1), *ring)
    assert pruned(skeleton, np.full(skeleton.voxels, 50.0)).voxels == 6


def test_a_tube_keeps_its_length_and_has_no_branches() -> None:
    """A straight tube of 4 mm radius: the ends recede by about the radius, nothing grows at the sides."""
    z, y, x = np.ogrid[:15, :15, :60]
    tube = ((z - 7) ** 2 + (y - 7) ** 2 <= 16) & (x >= 0)
    curve = skeletonise(tube, UNIT)
    assert curve.bifurcations == 0
    assert 50 <= curve.length <= 60
    assert (curve.points[:, :2] == 7).all()


@pytest.mark.parametrize("width", [2, 4, 6])
def test_tubes_of_even_width_do_not_vanish(width: int) -> None:
    """Plain Lee thinning erases all of them."""
    tube = np.zeros((width + 4, width + 4, 40), bool)
    tube[2 : 2 + width, 2 : 2 + width, 5:35] = True
    assert not skeletonize(tube, method="lee").any()  # type: ignore[no-untyped-call]
    curve = skeletonise(tube, UNIT)
    assert (curve.bifurcations, curve.branches) == (0, 1)
    assert 29 - width <= curve.length <= 30
    assert tube[tuple(curve.points.T)].all()


def test_three_thick_tubes_meet_in_one_bifurcation() -> None:
    lines = np.zeros((21, 61, 61), bool)
    for n in range(31):
        lines[10, 30, n] = lines[10, 30 + n, 30 + n // 2] = lines[10, 30 - n, 30 + n // 2] = True
    body = binary_dilation(lines, CUBE, iterations=2)
    assert skeletonise(body, UNIT).bifurcations == 1


@st.composite
def masks(draw: st.DrawFn) -> npt.NDArray[np.bool_]:
    """Random trees of thickened random walks, and noise of any density."""
    shape = draw(st.tuples(*[st.integers(1, 14)] * 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        return rng.random(shape) < draw(st.sampled_from([0.0, 0.05, 0.3, 0.8, 1.0]))
    walk = np.cumsum(rng.integers(-1, 2, (40, 3)), axis=0) % shape
    mask = np.zeros(shape, bool)
    mask[tuple(walk.T)] = True
    thick: npt.NDArray[np.bool_] = binary_dilation(mask, iterations=draw(st.integers(1, 2)))
    return thick


def rebuilt(skeleton: Skeleton, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    volume = np.zeros(shape, bool)
    volume[tuple(skeleton.points.T)] = True
    return volume


@settings(max_examples=100, deadline=None)
@given(masks())
def test_graph_agrees_with_volumes(mask: npt.NDArray[np.bool_]) -> None:
    """The same counts from labelled volumes and plain loops over neighbours; no part of the mask is lost or split."""
    got = skeletonise(mask, SPACING, prune=False)
    volume = rebuilt(got, mask.shape)
    parts, count = label(mask, CUBE)
    assert label(volume, CUBE)[1] == count
    assert len(np.unique(parts[volume])) == count
    lee = skeletonize(np.pad(mask, 1), method="lee")[1:-1, 1:-1, 1:-1] > 0  # type: ignore[no-untyped-call]
    kept = np.isin(parts, parts[lee])
    np.testing.assert_array_equal(volume & kept, lee)
    voxels = {tuple(point) for point in got.points.tolist()}
    degree = {
        point: sum(
            tuple(np.add(point, step)) in voxels for step in itertools.product((-1, 0, 1), repeat=3) if any(step)
        )
        for point in voxels
    }
    assert got.degree.tolist() == [degree[point] for point in sorted(voxels)]
    junctions = np.zeros(mask.shape, bool)
    for point in voxels:
        junctions[point] = degree[point] >= 3
    assert got.bifurcations == label(junctions, CUBE)[1]
    assert got.branches == label(volume & ~junctions, CUBE)[1]


@settings(max_examples=100, deadline=None)
@given(masks())
def test_pruning_keeps_parts_and_ends(mask: npt.NDArray[np.bool_]) -> None:
    whole, after = skeletonise(mask, SPACING, prune=False), skeletonise(mask, SPACING)
    before, left = rebuilt(whole, mask.shape), rebuilt(after, mask.shape)
    assert not (left & ~before).any()
    assert label(left, CUBE)[1] == label(before, CUBE)[1]
    assert after.length <= whole.length + 1e-9
    assert pruned(after, np.zeros(after.voxels)).bifurcations <= after.bifurcations


@settings(max_examples=40, deadline=None)
@given(masks(), st.floats(0.3, 4))
@example(np.ones((12, 11, 12), bool), 3.0)
def test_length_scales_and_does_not_depend_on_the_place(mask: npt.NDArray[np.bool_], scale: float) -> None:
    got = skeletonise(mask, SPACING, prune=False)
    moved = skeletonise(np.pad(mask, ((5, 0), (2, 3), (0, 7))), SPACING, prune=False)
    np.testing.assert_array_equal(moved.points, np.add(got.points, (5, 2, 0)))
    assert moved.length == pytest.approx(got.length)
    first, second, third = (scale * one for one in SPACING)
    assert skeletonise(mask, (first, second, third), prune=False).length == pytest.approx(scale * got.length)


def test_bad_mask_is_refused() -> None:
    with pytest.raises(ValueError, match=r"does not fit a volume of \(3, 3\) voxels"):
        skeletonise(np.ones((3, 3)), UNIT)
