"""The one policy for masks that are empty."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from pulmomap.metrics.outcome import Outcome, Status, status_of_masks

Mask = npt.NDArray[np.float64]
NOTHING, SOMETHING, ALL = np.zeros((2, 2, 2)), np.zeros((2, 2, 2)), np.ones((2, 2, 2))
SOMETHING[0] = 1


@pytest.mark.parametrize(
    ("predicted", "reference", "roi", "expected"),
    [
        (SOMETHING, ALL, None, Status.OK),
        (SOMETHING, ALL, SOMETHING, Status.OK),
        (NOTHING, NOTHING, None, Status.BOTH_EMPTY),
        (NOTHING, ALL, None, Status.PRED_EMPTY),
        (ALL, NOTHING, None, Status.REF_EMPTY),
        (SOMETHING, ALL, 1 - SOMETHING, Status.PRED_EMPTY),
        (ALL, SOMETHING, 1 - SOMETHING, Status.REF_EMPTY),
        (SOMETHING, SOMETHING, 1 - SOMETHING, Status.BOTH_EMPTY),
        (ALL, ALL, NOTHING, Status.ROI_EMPTY),
    ],
)
def test_status_of_two_masks(predicted: Mask, reference: Mask, roi: Mask | None, expected: Status) -> None:
    assert status_of_masks(predicted, reference, roi) is expected


@pytest.mark.parametrize("other", ["reference", "region"])
def test_different_shapes_are_named(other: str) -> None:
    arrays = {"reference": ALL, "region": ALL, other: np.ones((2, 2, 3))}
    with pytest.raises(ValueError, match=rf"shape \(2, 2, 2\), the {other} \(2, 2, 3\)"):
        status_of_masks(ALL, arrays["reference"], arrays["region"])


def test_names_are_those_written_into_tables() -> None:
    assert [str(status) for status in Status] == ["ok", "both_empty", "pred_empty", "ref_empty", "roi_empty"]


def test_missing_is_nan_and_not_ok() -> None:
    outcome = Outcome.missing(Status.REF_EMPTY)
    assert math.isnan(outcome.value)
    assert not outcome.ok
    assert Outcome(0.0).ok


@pytest.mark.parametrize(
    ("value", "status"),
    [(0.0, Status.PRED_EMPTY), (math.nan, Status.OK), (math.inf, Status.OK), (math.inf, Status.BOTH_EMPTY)],
)
def test_a_value_never_stands_beside_a_reason_for_none(value: float, status: Status) -> None:
    with pytest.raises(ValueError, match="NaN unless ok"):
        Outcome(value, status)
