"""False labels on structures that are no vessel, counted by hand."""

from __future__ import annotations

import numpy as np
from highdicom import Volume

from pulmomap.case import Nodule
from pulmomap.metrics.outcome import Status
from pulmomap.metrics.vessel import centre_lines
from tests.training.made_evaluation import AFFINE, SHAPE
from training.evaluation.defects import defect_regions, defect_scores


def volume(array: np.ndarray) -> Volume:
    return Volume(array, AFFINE, "PATIENT")


def test_shares_are_of_the_structure_away_from_true_vessels() -> None:
    reference = np.zeros(SHAPE, np.uint8)
    reference[2:-2, 18:23, 18:23] = 1  # 5 x 5: wide
    reference[2:-2, 30, 30] = 2  # one voxel: not
    lungs = np.zeros(SHAPE, np.uint8)
    lungs[1:-1, 4:-4, 4:-4] = 1
    wall = np.array([[10, 10, column] for column in range(8, 18)])  # ten voxels
    beside = np.array([[10, 17, 20]])  # next to the artery: not counted
    nodule = Nodule("Nodule 1", (-12.0, 10.0, -87.0), 6.0, "settings", "1.2")
    truth = volume(reference)
    lines = centre_lines(truth)
    where = defect_regions(truth, lines, volume(lungs), [nodule], np.concatenate([wall, beside]))
    assert where["wide"].sum() == (reference == 1).sum()
    assert where["airway_wall"].sum() == 10
    centre = tuple(np.rint((truth.inverse_affine @ [-12.0, 10.0, -87.0, 1])[:3]).astype(int))
    assert where["nodule"][centre]
    assert abs(int(where["nodule"].sum()) - 113) < 15  # 4/3 pi 3^3
    assert not where["pleura"][12, 22, 22]
    assert where["pleura"][12, 5, 22]
    assert not where["pleura"][12, 6, 22]

    found = np.where(reference == 2, 2, 0).astype(np.uint8)
    found[10, 10, 8:11] = 1  # three of the ten
    found[10, 17, 20] = 1
    scores = defect_scores(volume(found), where)
    assert scores["sensitivity_wide"].value == 0.0  # nothing of the artery is found
    assert scores["false_airway_wall"].value == 0.3
    assert scores["false_nodule"].value == 0.0
    perfect = defect_scores(truth, where)
    assert perfect["sensitivity_wide"].value == 1.0
    assert {perfect[f"false_{name}"].value for name in ("airway_wall", "pleura", "nodule")} == {0.0}


def test_what_is_not_known_has_no_figure() -> None:
    truth = volume(np.zeros(SHAPE, np.uint8))
    unplaced = Nodule("Nodule 1", (0.0, 0.0, 0.0), None, "settings", "1.2")
    where = defect_regions(truth, centre_lines(truth), truth, [unplaced], None)
    assert {one.status for one in defect_scores(truth, where).values()} == {Status.REF_EMPTY}
