"""Overlap of a predicted with a reference artery/vein map: Dice, sensitivity, specificity, misclassification.

All of them are read off one table of voxel counts, filled in one pass over both maps.

Source: the measures of the HiPaS paper (Nature Communications 2025). Its misclassification score
MCS = (P_A T_V + P_V T_A) / (P + T), with P = P_A + P_V the predicted and T = T_A + T_V the true voxels, is the share of
vessel that carries the other vessel's name; it is 0.5 where arteries and veins are swapped throughout. The paper prints
100 times the value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pulmomap.case import Vessel
from pulmomap.metrics.outcome import Outcome, Status, require_one_shape, status_of_counts

CLASSES = 1 + len(Vessel)
"""Background, artery, vein."""


@dataclass(frozen=True)
class Confusion:
    """How the voxels of a region are labelled.

    Attributes:
        counts: (reference class, predicted class) int64 numbers of voxels; classes as in :class:`Vessel`, 0 background.
    """

    counts: npt.NDArray[np.int64]

    def dice(self, vessel: Vessel) -> Outcome:
        """2 TP / (2 TP + FP + FN). 0 where one map lacks the vessel; undefined where both do."""
        both, predicted, reference, voxels = self._of(vessel)
        if not voxels:
            return Outcome.missing(Status.ROI_EMPTY)
        if not predicted + reference:
            return Outcome.missing(Status.BOTH_EMPTY)
        return Outcome(2 * both / (predicted + reference))

    def sensitivity(self, vessel: Vessel) -> Outcome:
        """TP / (TP + FN). Undefined without reference; 0 without prediction."""
        both, predicted, reference, voxels = self._of(vessel)
        if reference:
            return Outcome(both / reference)
        return Outcome.missing(status_of_counts(predicted, reference, voxels))

    def specificity(self, vessel: Vessel) -> Outcome:
        """TN / (TN + FP). Undefined (no region to count in) where the reference fills the region.

        Over a whole scan it is .999 for any prediction that is mostly empty: compare it inside the lungs only.
        """
        both, predicted, reference, voxels = self._of(vessel)
        negatives = voxels - reference
        if not negatives:
            return Outcome.missing(Status.ROI_EMPTY)
        return Outcome((negatives - (predicted - both)) / negatives)

    def misclassification(self) -> Outcome:
        """MCS, 0 to 0.5. Undefined where either map holds no vessel at all: nothing can then carry the wrong name."""
        predicted, reference = int(self.counts[:, 1:].sum()), int(self.counts[1:].sum())
        status = status_of_counts(predicted, reference, int(self.counts.sum()))
        if status is not Status.OK:
            return Outcome.missing(status)
        swapped = self.counts[Vessel.VEIN, Vessel.ARTERY] + self.counts[Vessel.ARTERY, Vessel.VEIN]
        return Outcome(float(swapped) / (predicted + reference))

    def _of(self, vessel: Vessel) -> tuple[int, int, int, int]:
        """Voxels of the vessel in both maps, in the prediction, in the reference, and of the region."""
        counts = self.counts
        return (
            int(counts[vessel, vessel]),
            int(counts[:, vessel].sum()),
            int(counts[vessel].sum()),
            int(counts.sum()),
        )


def confusion(
    predicted: npt.NDArray[Any], reference: npt.NDArray[Any], roi: npt.NDArray[Any] | None = None
) -> Confusion:
    """Count how the voxels are labelled.

    Args:
        predicted, reference: label maps of one shape with the values of :class:`Vessel`, 0 background; of an unsigned
            integer or boolean type.
        roi: mask of the same shape; only its voxels other than 0 are counted. None counts all.

    Raises:
        ValueError: the shapes differ, or a map holds something other than labels.
    """
    require_one_shape(predicted, reference, roi)
    for name, labels in (("prediction", predicted), ("reference", reference)):
        if labels.dtype.kind not in "ub":
            raise ValueError(f"the {name} is {labels.dtype}, not a label map; give uint8 labels")
        if labels.size and labels.max() >= CLASSES:
            raise ValueError(f"the {name} holds the label {labels.max()}; the labels are 0, 1 (artery) and 2 (vein)")
    counts = np.zeros(CLASSES**2, np.int64)
    for index in range(len(predicted)):  # bincount widens its input eightfold, so slice by slice
        joint = reference[index].astype(np.uint8) * np.uint8(CLASSES) + predicted[index].astype(np.uint8)
        joint = joint.ravel() if roi is None else joint[roi[index].astype(bool)]
        counts += np.bincount(joint, minlength=CLASSES**2)
    return Confusion(counts.reshape(CLASSES, CLASSES))
