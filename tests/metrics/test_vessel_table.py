"""The whole-lung table on drawn trees."""

from __future__ import annotations

import math
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pytest

from pulmomap.case import Vessel
from pulmomap.metrics.outcome import Outcome, Status
from pulmomap.metrics.vessel import VesselTable, centre_lines, vessel_table

Array = npt.NDArray[Any]
SPACING = (1.0, 0.8, 0.5)


def volume(array: Array, shift: float = 0.0) -> hd.Volume:
    affine = np.diag([*SPACING, 1.0])
    affine[0, 3] = shift
    return hd.Volume(array.astype(np.uint8), affine, "PATIENT")


def scene() -> tuple[Array, Array]:
    """An artery with one bifurcation, of which the left half lies in the lung; a straight vein inside the lung."""
    labels, lungs = np.zeros((2, 20, 41, 60), np.uint8)
    labels[10, 20, 5:55] = Vessel.ARTERY
    labels[10, 5:36, 15] = Vessel.ARTERY
    labels[3, 20, 5:25] = Vessel.VEIN
    lungs[:, :, :30] = 1
    return labels, lungs


def table(predicted: Array, reference: Array, lungs: Array) -> VesselTable:
    return vessel_table(volume(predicted), volume(reference), volume(lungs))


def test_perfect_prediction() -> None:
    labels, lungs = scene()
    got = table(labels, labels, lungs)
    assert (got.misclassification, got.misclassification_lung) == (Outcome(0.0), Outcome(0.0))
    for one in (got.artery, got.vein):
        scores = (one.dice, one.dice_lung, one.sensitivity, one.sensitivity_lung, one.specificity, one.specificity_lung)
        assert set(scores) == {Outcome(1.0)}
        assert one.hd95 == Outcome(0.0)
        assert one.predicted == one.reference
        assert one.tree.length_detected == one.tree.cl_dice == Outcome(1.0)


def test_sizes_by_hand() -> None:
    labels, lungs = scene()
    got = table(labels, labels, lungs)
    litres = (20 * 41 * 30 - (25 + 30) - 20) * math.prod(SPACING) / 1e6
    assert got.lung_volume_predicted == got.lung_volume_reference == pytest.approx(litres)
    artery, vein = got.artery.reference, got.vein.reference
    assert (artery.skeleton_voxels, artery.bifurcations) == (80, 1)
    assert artery.length == pytest.approx(49 * 0.5 + 30 * 0.8)
    assert artery.length_per_litre.value == pytest.approx((24 * 0.5 + 30 * 0.8) / litres)
    assert artery.bifurcations_per_litre.value == pytest.approx(1 / litres)
    assert (vein.skeleton_voxels, vein.bifurcations) == (20, 0)
    assert vein.length == pytest.approx(19 * 0.5)
    assert vein.bifurcations_per_litre == Outcome(0.0)


def test_errors_outside_the_lungs_leave_the_lung_scores_alone() -> None:
    labels, lungs = scene()
    spoilt = labels.copy()
    spoilt[10, 20, 40:] = 0
    got = table(spoilt, labels, lungs).artery
    assert got.dice_lung == got.sensitivity_lung == Outcome(1.0)
    assert got.dice.value == pytest.approx(2 * 65 / (65 + 80))
    assert got.sensitivity.value == pytest.approx(65 / 80)
    assert got.tree.length_ratio.value == pytest.approx(65 / 80)
    assert got.hd95.value == pytest.approx(np.percentile([0.0] * 65 + [0.5 * n for n in range(1, 16)], 95))


def test_swapped_vessels() -> None:
    labels, lungs = scene()
    got = table((3 - labels) % 3, labels, lungs)
    assert got.misclassification == got.misclassification_lung == Outcome(0.5)
    assert got.artery.dice == Outcome(0.0)


def test_empty_prediction_and_missing_lungs() -> None:
    labels, lungs = scene()
    got = table(labels * 0, labels, lungs * 0)
    assert got.artery.dice == Outcome(0.0)
    assert got.artery.hd95.status is Status.PRED_EMPTY
    assert got.misclassification.status is Status.PRED_EMPTY
    assert got.vein.dice_lung.status is Status.ROI_EMPTY
    assert got.vein.reference.length_per_litre.status is Status.ROI_EMPTY
    assert (got.artery.predicted.skeleton_voxels, got.artery.predicted.length) == (0, 0.0)


def test_different_grids_are_refused() -> None:
    labels, lungs = scene()
    with pytest.raises(ValueError, match="does not lie on the grid of the reference"):
        vessel_table(volume(labels, 1.0), volume(labels), volume(lungs))
    with pytest.raises(ValueError, match=r"the lung mask \(shape .* does not lie on the grid of the reference"):
        vessel_table(volume(labels), volume(labels), volume(lungs, 1.0))


def test_shared_centre_lines_change_nothing() -> None:
    labels, lungs = scene()
    predicted, reference = volume(labels[:, :, ::-1]), volume(labels)
    shared = vessel_table(predicted, reference, volume(lungs), centre_lines(reference))
    assert shared == vessel_table(predicted, reference, volume(lungs))
