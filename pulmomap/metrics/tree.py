"""How much of a vessel tree a prediction finds, measured along the centre lines.

The HiPaS paper prints ratios of skeleton length (SL, in voxels) and bifurcation count (BC), prediction over reference.
They can exceed 1 and they reward false branches, so the fractions that need both to lie in the same place stand beside
them: tree length and branches detected (as in the ATM'22 challenge), skeleton precision, and clDice (Shit et al., CVPR
2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from pulmomap.metrics.outcome import Outcome, Status, require_one_shape, status_of_counts
from pulmomap.metrics.skeleton import Skeleton

DETECTED_SHARE = 0.8
"""A branch is detected when this share of its voxels is."""

Mask = npt.NDArray[Any]
Hits = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TreeScores:
    """A predicted tree against the reference tree. All are fractions.

    Attributes:
        length_ratio: skeleton voxels, predicted over reference.
        bifurcation_ratio: bifurcations, predicted over reference.
        length_detected: share of the reference skeleton that lies in the predicted mask or next to it (26-neighbours).
        branches_detected: share of the reference branches of which 80 % of the voxels lie in the predicted mask.
        precision: share of the predicted skeleton that lies in the reference mask or next to it (26-neighbours).
        cl_dice: harmonic mean of the shares of each skeleton that lie in the other mask; 0 where one tree is empty.
    """

    length_ratio: Outcome
    bifurcation_ratio: Outcome
    length_detected: Outcome
    branches_detected: Outcome
    precision: Outcome
    cl_dice: Outcome


def tree_scores(
    predicted: Mask, reference: Mask, predicted_skeleton: Skeleton, reference_skeleton: Skeleton
) -> TreeScores:
    """Compare two trees.

    Args:
        predicted, reference: 3D masks of one shape; voxels other than 0 belong to them.
        predicted_skeleton, reference_skeleton: of these masks.

    Raises:
        ValueError: the shapes differ.
    """
    require_one_shape(predicted, reference)
    mine, theirs = predicted_skeleton, reference_skeleton
    found, true = _hits(theirs, predicted), _hits(mine, reference)
    missing = status_of_counts(mine.voxels, theirs.voxels, predicted.size)
    branch = theirs.branch_of[theirs.branch_of >= 0]
    sizes = np.bincount(branch, minlength=theirs.branches)
    hits = np.bincount(branch, found[theirs.branch_of >= 0], theirs.branches)
    detected = int(np.count_nonzero(hits >= DETECTED_SHARE * sizes - 1e-9))
    return TreeScores(
        length_ratio=_share(mine.voxels, theirs.voxels, missing),
        bifurcation_ratio=_share(mine.bifurcations, theirs.bifurcations, missing),
        length_detected=_share(np.count_nonzero(_hits(theirs, predicted, reach=1)), theirs.voxels, missing),
        branches_detected=_share(detected, theirs.branches, missing),
        precision=_share(np.count_nonzero(_hits(mine, reference, reach=1)), mine.voxels, missing),
        cl_dice=_cl_dice(true, found),
    )


def _share(part: int, whole: int, missing: Status) -> Outcome:
    """A fraction, of what only the reference may lack (bifurcations) where both trees are there."""
    if whole:
        return Outcome(part / whole)
    return Outcome.missing(Status.REF_EMPTY if missing is Status.OK else missing)


def _cl_dice(true: Hits, found: Hits) -> Outcome:
    if not true.size and not found.size:
        return Outcome.missing(Status.BOTH_EMPTY)
    if not true.any() or not found.any():
        return Outcome(0.0)
    precision, sensitivity = float(true.mean()), float(found.mean())
    return Outcome(2 * precision * sensitivity / (precision + sensitivity))


def _hits(skeleton: Skeleton, mask: Mask, reach: int = 0) -> Hits:
    """(n,) which points lie in the mask, or at most ``reach`` voxels from it along each axis."""
    hits = np.zeros(skeleton.voxels, bool)
    for step in product(range(-reach, reach + 1), repeat=3):
        near = np.clip(skeleton.points + step, 0, np.asarray(mask.shape) - 1)  # clipped, still within reach
        hits |= mask[tuple(near.T)] != 0
    return hits
