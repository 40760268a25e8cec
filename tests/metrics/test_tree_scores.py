"""Tree scores on bars drawn by hand, and against dilated volumes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, label

from pulmomap.metrics.outcome import Outcome, Status
from pulmomap.metrics.skeleton import skeletonise
from pulmomap.metrics.tree import TreeScores, tree_scores

UNIT = (1.0, 1.0, 1.0)
Mask = npt.NDArray[np.bool_]


def scores(predicted: Mask, reference: Mask) -> TreeScores:
    return tree_scores(predicted, reference, skeletonise(predicted, UNIT), skeletonise(reference, UNIT))


def cross() -> Mask:
    """One-voxel lines through (0, 20, 20); each arm is 15 voxels of branch beyond the bifurcation's 5 voxels."""
    mask = np.zeros((1, 41, 41), bool)
    mask[0, 20, 4:37] = True
    mask[0, 4:37, 20] = True
    return mask


def test_identical_trees() -> None:
    got = scores(cross(), cross())
    assert set(vars(got).values()) == {Outcome(1.0)}


def test_half_a_tree() -> None:
    """One bar of the cross: 33 of 65 skeleton voxels; two more of the other bar lie next to it."""
    bar = cross()
    bar[0, :20] = bar[0, 21:] = False
    got = scores(bar, cross())
    assert got.length_ratio.value == pytest.approx(33 / 65)
    assert got.length_detected.value == pytest.approx(35 / 65)
    assert got.bifurcation_ratio.value == 0.0
    assert got.branches_detected.value == 0.5
    assert got.precision.value == 1.0
    assert got.cl_dice.value == pytest.approx(2 * (33 / 65) / (1 + 33 / 65))


@pytest.mark.parametrize(("length", "share"), [(12, 1.0), (11, 0.75)])
def test_a_branch_counts_from_80_percent(length: int, share: float) -> None:
    """One of four branches of 15 voxels is cut short after 12 (80 %) or 11."""
    predicted = cross()
    predicted[0, 20, 22 + length :] = False
    assert scores(predicted, cross()).branches_detected.value == share


def test_false_branches_raise_the_ratio_and_lower_the_precision() -> None:
    bar = cross()
    bar[0, :20] = bar[0, 21:] = False
    got = scores(cross(), bar)
    assert got.length_ratio.value == pytest.approx(65 / 33)
    assert got.precision.value == pytest.approx(35 / 65)
    assert got.bifurcation_ratio.status is Status.REF_EMPTY


def test_next_to_the_mask_is_detected_but_no_overlap() -> None:
    first, second = np.zeros((2, 3, 3, 30), bool)
    first[1, 1], second[2, 2] = True, True
    got = scores(first, second)
    assert (got.length_detected.value, got.precision.value, got.cl_dice.value) == (1.0, 1.0, 0.0)
    assert got.branches_detected.value == 0.0


@pytest.mark.parametrize(
    ("predicted", "reference", "expected"),
    [
        (False, False, [Status.BOTH_EMPTY] * 3),
        (False, True, [0.0, Status.PRED_EMPTY, 0.0]),
        (True, False, [Status.REF_EMPTY, 0.0, 0.0]),
    ],
)
def test_empty_trees(predicted: bool, reference: bool, expected: list[float | Status]) -> None:
    got = scores(cross() & predicted, cross() & reference)
    for outcome, wanted in zip((got.length_detected, got.precision, got.cl_dice), expected, strict=True):
        assert (outcome.status if isinstance(wanted, Status) else outcome.value) == wanted


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(2, 14)] * 3))
def test_agrees_with_dilated_volumes(seed: int, shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(seed)
    pair = []
    for _ in range(2):
        mask = np.zeros(shape, bool)
        mask[tuple((np.cumsum(rng.integers(-1, 2, (30, 3)), axis=0) % shape).T)] = True
        pair.append(binary_dilation(mask))
    predicted, reference = pair
    skeletons = [skeletonise(mask, UNIT) for mask in pair]
    lines = np.zeros((2, *shape), bool)
    for line, skeleton in zip(lines, skeletons, strict=True):
        line[tuple(skeleton.points.T)] = True
    wide = [binary_dilation(mask, np.ones((3, 3, 3))) for mask in pair]
    got = tree_scores(predicted, reference, *skeletons)
    assert got.length_detected.value == pytest.approx(wide[0][lines[1]].mean())
    assert got.precision.value == pytest.approx(wide[1][lines[0]].mean())
    precision, sensitivity = reference[lines[0]].mean(), predicted[lines[1]].mean()
    if precision + sensitivity:
        assert got.cl_dice.value == pytest.approx(2 * precision * sensitivity / (precision + sensitivity))
    junctions = np.zeros(shape, bool)
    junctions[tuple(skeletons[1].points[skeletons[1].degree >= 3].T)] = True
    branches, count = label(lines[1] & ~junctions, np.ones((3, 3, 3)))
    detected = [predicted[branches == number].mean() >= 0.8 for number in range(1, count + 1)]
    if detected:
        assert got.branches_detected.value == pytest.approx(np.mean(detected))
    swapped = tree_scores(reference, predicted, skeletons[1], skeletons[0])
    assert swapped.cl_dice.value == pytest.approx(got.cl_dice.value)
    assert swapped.precision == got.length_detected
