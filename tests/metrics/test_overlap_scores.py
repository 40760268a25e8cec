"""Overlap scores against values by hand, boolean set arithmetic and MONAI's Dice."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulmomap.case import Vessel
from pulmomap.metrics.outcome import Outcome, Status
from pulmomap.metrics.overlap import confusion

Labels = npt.NDArray[np.uint8]


def labels(*values: int) -> Labels:
    return np.array(values, np.uint8).reshape(1, 1, -1)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Labels, Labels, npt.NDArray[np.bool_]]:
    """Two label maps, each of which may lack any class, and a region which may be empty."""
    shape = draw(st.tuples(*[st.integers(1, 5)] * 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    maps = [
        rng.choice(draw(st.sampled_from([[0], [1], [0, 1], [1, 2], [0, 1, 2], [0, 0, 0, 1, 2]])), size=shape)
        for _ in range(2)
    ]
    roi = rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 1.0]))
    return maps[0].astype(np.uint8), maps[1].astype(np.uint8), roi


def test_by_hand() -> None:
    """Artery: TP 2, FP 1, FN 1, TN 4. One artery voxel of the reference is called vein."""
    table = confusion(labels(1, 1, 2, 1, 0, 0, 2, 0), labels(1, 1, 1, 0, 0, 0, 2, 2))
    assert table.counts.tolist() == [[2, 1, 0], [0, 2, 1], [1, 0, 1]]
    assert table.dice(Vessel.ARTERY).value == pytest.approx(4 / 6)
    assert table.sensitivity(Vessel.ARTERY).value == pytest.approx(2 / 3)
    assert table.specificity(Vessel.ARTERY).value == pytest.approx(4 / 5)
    assert table.misclassification().value == pytest.approx(1 / 10)


def test_identical_maps() -> None:
    same = labels(0, 1, 2, 2)
    table = confusion(same, same)
    assert [table.dice(vessel) for vessel in Vessel] == [Outcome(1.0)] * 2
    assert table.misclassification() == Outcome(0.0)


def test_swapped_vessels_have_a_misclassification_of_one_half() -> None:
    assert confusion(labels(0, 1, 2, 2), labels(0, 2, 1, 1)).misclassification() == Outcome(0.5)


@pytest.mark.parametrize(
    ("predicted", "reference", "dice", "sensitivity", "misclassification"),
    [
        (labels(0, 0), labels(0, 0), Status.BOTH_EMPTY, Status.BOTH_EMPTY, Status.BOTH_EMPTY),
        (labels(0, 0), labels(1, 0), 0.0, 0.0, Status.PRED_EMPTY),
        (labels(1, 0), labels(0, 0), 0.0, Status.REF_EMPTY, Status.REF_EMPTY),
        (labels(2, 0), labels(1, 0), 0.0, 0.0, 0.5),
    ],
)
def test_empty_masks(
    predicted: Labels,
    reference: Labels,
    dice: float | Status,
    sensitivity: float | Status,
    misclassification: float | Status,
) -> None:
    table = confusion(predicted, reference)
    got = (table.dice(Vessel.ARTERY), table.sensitivity(Vessel.ARTERY), table.misclassification())
    for outcome, expected in zip(got, (dice, sensitivity, misclassification), strict=True):
        assert (outcome.status if isinstance(expected, Status) else outcome.value) == expected


def test_empty_region() -> None:
    table = confusion(labels(1, 2), labels(1, 2), labels(0, 0))
    outcomes = [table.dice(Vessel.VEIN), table.sensitivity(Vessel.VEIN), table.specificity(Vessel.VEIN)]
    assert [one.status for one in [*outcomes, table.misclassification()]] == [Status.ROI_EMPTY] * 4


def test_no_specificity_where_the_reference_fills_the_region() -> None:
    assert confusion(labels(1, 0), labels(1, 1)).specificity(Vessel.ARTERY).status is Status.ROI_EMPTY


@settings(max_examples=150, deadline=None)
@given(pairs())
def test_agrees_with_set_arithmetic(case: tuple[Labels, Labels, npt.NDArray[np.bool_]]) -> None:
    predicted, reference, roi = case
    table = confusion(predicted, reference, roi)
    assert table.counts.sum() == roi.sum()
    for vessel in Vessel:
        p, g = (predicted == vessel) & roi, (reference == vessel) & roi
        if p.any() or g.any():
            assert table.dice(vessel).value == pytest.approx(2 * (p & g).sum() / (p.sum() + g.sum()))
        if g.any():
            assert table.sensitivity(vessel).value == pytest.approx((p & g).sum() / g.sum())
        if (roi & ~g).any():
            assert table.specificity(vessel).value == pytest.approx((roi & ~g & ~p).sum() / (roi & ~g).sum())
    vessels_p, vessels_g = (predicted > 0) & roi, (reference > 0) & roi
    if vessels_p.any() and vessels_g.any():
        wrong = (vessels_p & vessels_g & (predicted != reference)).sum()
        assert table.misclassification().value == pytest.approx(wrong / (vessels_p.sum() + vessels_g.sum()))


@settings(max_examples=100, deadline=None)
@given(pairs())
def test_is_symmetric_and_invariant_under_flips(case: tuple[Labels, Labels, npt.NDArray[np.bool_]]) -> None:
    predicted, reference, roi = case
    table = confusion(predicted, reference, roi)
    np.testing.assert_array_equal(confusion(reference, predicted, roi).counts, table.counts.T)
    flipped = [one[::-1].transpose(2, 0, 1) for one in case]
    np.testing.assert_array_equal(confusion(*flipped).counts, table.counts)


def test_agrees_with_monai() -> None:
    from monai.metrics import compute_dice
    from torch import from_numpy

    rng = np.random.default_rng(3)
    predicted, reference = (rng.integers(0, 3, (2, 9, 8, 7)) * (rng.random((2, 9, 8, 7)) < 0.4)).astype(np.uint8)
    one_hot = [from_numpy(np.stack([one == vessel for vessel in Vessel])[None]) for one in (predicted, reference)]
    theirs = compute_dice(*one_hot)[0].tolist()
    table = confusion(predicted, reference)
    assert [table.dice(vessel).value for vessel in Vessel] == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((1, 1, 3), np.float32), "reference is float32, not a label map"),
        (labels(0, 3), "reference holds the label 3"),
        (labels(0, 1, 2), r"\(1, 1, 2\), the reference \(1, 1, 3\)"),
    ],
)
def test_what_is_no_label_map_is_refused(bad: npt.NDArray[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        confusion(labels(0, 1), bad if bad.dtype != np.float32 else bad[..., :2])
