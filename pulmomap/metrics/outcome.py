"""What a metric gives back: a value, or the one named reason why there is none.

The policy, the same for every metric of this package: where a metric is undefined its value is NaN and its status says
why, never 0 and never infinity. Means and medians are taken over the outcomes that are ``ok``; the others are counted
and listed, and a rank test may give them the worst rank.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt


class Status(str, Enum):
    """Why a metric has a value or has none. The value is the word written into tables."""

    OK = "ok"
    BOTH_EMPTY = "both_empty"
    PRED_EMPTY = "pred_empty"
    REF_EMPTY = "ref_empty"
    ROI_EMPTY = "roi_empty"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Outcome:
    """A metric of one case.

    Attributes:
        value: in the metric's unit; NaN unless the status is ok.
        status: why.

    Raises:
        ValueError: a value beside a reason for having none, or the other way round.
    """

    value: float
    status: Status = Status.OK

    def __post_init__(self) -> None:
        if math.isfinite(self.value) != (self.status is Status.OK) or math.isinf(self.value):
            raise ValueError(f"a metric cannot be {self.value} with the status {self.status}; it is NaN unless ok")

    @classmethod
    def missing(cls, status: Status) -> Outcome:
        """No value, and why."""
        return cls(math.nan, status)

    @property
    def ok(self) -> bool:
        return self.status is Status.OK

    @property
    def plain(self) -> float | str:
        """What JSON can hold: the number, or the word for why there is none."""
        return self.value if self.ok else str(self.status)


def status_of_counts(predicted: int, reference: int, region: int) -> Status:
    """The status of a comparison that needs both masks, from their voxels inside a region and the region's own."""
    if not region:
        return Status.ROI_EMPTY
    if not predicted and not reference:
        return Status.BOTH_EMPTY
    if not predicted:
        return Status.PRED_EMPTY
    return Status.OK if reference else Status.REF_EMPTY


def status_of_masks(
    predicted: npt.NDArray[Any], reference: npt.NDArray[Any], roi: npt.NDArray[Any] | None = None
) -> Status:
    """The status of a comparison that needs both masks.

    Args:
        predicted, reference: masks of one shape; voxels other than 0 belong to them.
        roi: mask of the same shape; None takes the whole grid.

    Raises:
        ValueError: the shapes differ.
    """
    require_one_shape(predicted, reference, roi)
    if roi is None:
        return status_of_counts(np.count_nonzero(predicted), np.count_nonzero(reference), predicted.size)
    inside = roi.astype(bool)
    return status_of_counts(
        np.count_nonzero(predicted[inside]), np.count_nonzero(reference[inside]), np.count_nonzero(inside)
    )


def require_one_shape(
    predicted: npt.NDArray[Any], reference: npt.NDArray[Any], roi: npt.NDArray[Any] | None = None
) -> None:
    """Raise ValueError, naming the shapes, unless all arrays have the same."""
    for name, other in (("reference", reference), ("region", roi)):
        if other is not None and other.shape != predicted.shape:
            raise ValueError(
                f"the prediction has shape {predicted.shape}, the {name} {other.shape}; bring both onto one grid first"
            )
