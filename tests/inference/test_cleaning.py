"""Anatomical clean-up on probabilities made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from highdicom import Volume

from pulmomap.inference.cleaning import ARTERY, VEIN, between_the_lungs, keep_inside, one_class_a_branch

SPACING = (1.0, 1.0, 1.0)


def volume(mask: np.ndarray) -> Volume:
    return Volume(mask.astype(np.uint8), np.eye(4), coordinate_system="PATIENT")


def y_shape() -> np.ndarray:
    """Probabilities of a vessel that divides into two arms, 3 voxels thick: all artery."""
    probabilities = np.zeros((3, 5, 60, 60), dtype=np.float32)
    probabilities[0] = 1.0
    for row in range(5, 55):
        for column in (30,) if row < 30 else (30 - (row - 30), 30 + (row - 30)):
            for step in (-1, 0, 1):
                probabilities[:, 1:4, row, column + step] = np.array([0.1, 0.8, 0.1])[:, None]
    return probabilities


def test_hull_spans_both_lungs_and_nothing_else() -> None:
    mask = np.zeros((4, 20, 30), bool)
    mask[1:3, 5:15, 3:8] = mask[1:3, 5:15, 22:27] = True
    hull = between_the_lungs(volume(mask))
    assert not hull[[0, 3]].any()
    expected = np.zeros((20, 30), bool)
    expected[5:15, 3:27] = True
    assert np.array_equal(hull[1], expected)


@pytest.mark.parametrize("voxels", [[(2, 3)], [(2, 3), (2, 9)], [(2, 3), (3, 9)]])
def test_hull_of_a_few_voxels_is_no_error(voxels: list[tuple[int, int]]) -> None:
    mask = np.zeros((1, 12, 12), bool)
    mask[(0, *np.array(voxels).T)] = True
    assert between_the_lungs(volume(mask))[mask].all()


def test_outside_becomes_background() -> None:
    probabilities = y_shape()
    inside = np.zeros(probabilities.shape[1:], bool)
    inside[:, :20] = True
    before = probabilities[:, inside].copy()
    keep_inside(probabilities, inside)
    assert np.array_equal(probabilities[:, inside], before)
    assert (probabilities[0, ~inside] == 1).all()
    assert np.allclose(probabilities.sum(axis=0), 1)


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
