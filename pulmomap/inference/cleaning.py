"""Anatomy's say in the vessel map: where pulmonary vessels can be, and that a branch is artery or vein, not both.

Both steps work on the network's probabilities, on its grid, before they return to the scan's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pulmomap.case import Vessel
from pulmomap.metrics.skeleton import skeletonise

Floats = NDArray[np.float32]
ARTERY, VEIN = int(Vessel.ARTERY), int(Vessel.VEIN)


def keep_inside(probabilities: Floats, inside: NDArray[np.bool_]) -> None:
    """Turn everything outside into background, in place. ``probabilities`` is (class, slice, row, column)."""
    probabilities[:, ~inside] = 0.0
    probabilities[0, ~inside] = 1.0


def one_class_a_branch(probabilities: Floats, spacing: tuple[float, float, float], least: float) -> int:
    """Give every branch of the vessel tree to one class, by the mean of its voxels, in place.

    The tree is the centre line of everything that is vessel. A voxel belongs to the branch whose centre line is
    nearest; those at bifurcations stay as they are. Where a branch is decided, artery and vein swap their
    probabilities in the voxels that disagree.

    Args:
        probabilities: (class, slice, row, column).
        spacing: mm.
        least: share of a branch's evidence, 0.5 to 1, that the stronger class must hold; else the branch is left.

    Returns:
        How many voxels changed.
    """
    vessel = np.maximum(probabilities[ARTERY], probabilities[VEIN]) > probabilities[0]
    if not vessel.any():
        return 0
    skeleton = skeletonise(vessel, spacing, prune=False)
    voxels = np.argwhere(vessel)
    branch = skeleton.branch_of[cKDTree(skeleton.points * spacing).query(voxels * spacing)[1]]
    decided = branch >= 0
    voxels, branch = voxels[decided], branch[decided]
    place = tuple(voxels.T)
    artery, vein = probabilities[(ARTERY, *place)], probabilities[(VEIN, *place)]
    for_artery, total = np.bincount(branch, artery), np.bincount(branch, artery + vein)
    share = for_artery / np.maximum(total, 1e-9)
    sure = np.maximum(share, 1 - share) >= least
    wrong = sure[branch] & ((share[branch] > 0.5) != (artery > vein)) & (artery != vein)
    place = tuple(voxels[wrong].T)
    probabilities[(ARTERY, *place)], probabilities[(VEIN, *place)] = vein[wrong], artery[wrong]
    return int(wrong.sum())
