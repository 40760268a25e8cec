"""Anatomical clean-up on probabilities made by hand."""

from __future__ import annotations

import numpy as np

from pulmomap.inference.cleaning import ARTERY, VEIN, keep_inside, keep_linked, one_class_a_branch

SPACING = (1.0, 1.0, 1.0)


def y_shape() -> np.ndarray:
    """Probabilities of a vessel that divides into two arms, 3 voxels thick: all artery."""
    probabilities = np.zeros((3, 5, 60, 60), dtype=np.float32)
    probabilities[0] = 1.0
    for row in range(5, 55):
        for column in (30,) if row < 30 else (30 - (row - 30), 30 + (row - 30)):
            for step in (-1, 0, 1):
                probabilities[:, 1:4, row, column + step] = np.array([0.1, 0.8, 0.1])[:, None]
    return probabilities


def test_outside_becomes_background() -> None:
    probabilities = y_shape()
    inside = np.zeros(probabilities.shape[1:], bool)
    inside[:, :20] = True
    before = probabilities[:, inside].copy()
    keep_inside(probabilities, inside)
    assert np.array_equal(probabilities[:, inside], before)
    assert (probabilities[0, ~inside] == 1).all()
    assert np.allclose(probabilities.sum(axis=0), 1)


def with_pieces(*ends: tuple[int, int]) -> np.ndarray:
    """Probabilities of one trunk of 5 mm radius in columns 0 to 20, and of thin pieces in the given columns."""
    probabilities = np.zeros((3, 21, 21, 80), dtype=np.float32)
    probabilities[0] = 1.0
    first, second = np.mgrid[-10:11, -10:11]
    round_ = np.hypot(first, second) <= 5
    probabilities[:, round_, :20] = np.array([0.1, 0.8, 0.1])[:, None, None]
    for start, end in ends:
        probabilities[:, 9:12, 9:12, start:end] = np.array([0.1, 0.2, 0.7])[:, None, None, None]
    return probabilities


def test_what_hangs_on_the_trunk_stays_over_short_gaps() -> None:
    """Surfaces 4 and 4 voxels apart are linked in a row, one 20 apart is not."""
    probabilities = with_pieces((24, 30), (34, 40), (60, 70))
    before = probabilities.copy()
    assert keep_linked(probabilities, SPACING, 6.0) == 9 * 10
    assert np.array_equal(probabilities[..., :50], before[..., :50])
    assert (probabilities[0, ..., 50:] == 1).all()


def test_the_gap_is_in_millimetres() -> None:
    probabilities = with_pieces((24, 30))
    assert keep_linked(probabilities, (1.0, 1.0, 2.0), 6.0) == 9 * 6


def test_without_a_trunk_nothing_is_dropped() -> None:
    probabilities = y_shape()
    before = probabilities.copy()
    assert keep_linked(probabilities, SPACING, 6.0) == 0
    assert np.array_equal(before, probabilities)


def test_a_wrong_stretch_follows_its_branch() -> None:
    probabilities = y_shape()
    truth = probabilities.argmax(axis=0)
    stretch = np.s_[1:4, 40:46, 15:25]  # within the left arm
    part = probabilities[(slice(None), *stretch)]
    part[ARTERY], part[VEIN] = part[VEIN].copy(), part[ARTERY].copy()
    assert (probabilities.argmax(axis=0) != truth).any()
    assert one_class_a_branch(probabilities, SPACING, 0.6) > 0
    assert np.array_equal(probabilities.argmax(axis=0), truth)


def test_arms_may_differ_and_an_undecided_branch_is_left() -> None:
    probabilities = y_shape()
    arm = np.s_[:, 36:, :30]
    part = probabilities[(slice(None), *arm)]
    part[ARTERY], part[VEIN] = part[VEIN].copy(), part[ARTERY].copy()
    wanted = probabilities.argmax(axis=0)
    one_class_a_branch(probabilities, SPACING, 0.6)
    assert (probabilities.argmax(axis=0) == wanted)[:, 36:].all()
    before = probabilities.copy()
    assert one_class_a_branch(probabilities, SPACING, 1.0) == 0
    assert np.array_equal(before, probabilities)


def test_no_vessel_no_change() -> None:
    probabilities = np.zeros((3, 4, 4, 4), dtype=np.float32)
    probabilities[0] = 1.0
    assert one_class_a_branch(probabilities, SPACING, 0.6) == 0
