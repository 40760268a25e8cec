"""Anatomy's say in the vessel map: where vessels can be, that they hang on the trunks, that a branch is artery or vein,
that a nodule is neither.

All but the last work on the network's probabilities, on its grid, before they return to the scan's; the last one on the
scan itself.
"""

from __future__ import annotations

import cc3d
import edt
import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pulmomap.case import Vessel
from pulmomap.metrics.perinodular import ball, ball_box
from pulmomap.metrics.region import Region
from pulmomap.metrics.skeleton import skeletonise

Floats = NDArray[np.float32]
ARTERY, VEIN = int(Vessel.ARTERY), int(Vessel.VEIN)
SOFT = -400.0  # HU, from where on a voxel holds more tissue than air
TRUNK_MM = 4.0  # radius from where on a vessel is a trunk: lobar arteries and the ends of the pulmonary veins
THINNER = 0.5  # of a nodule's radius: what is thinner and enters it is a vessel, not the nodule


def keep_inside(probabilities: Floats, inside: NDArray[np.bool_]) -> None:
    """Turn everything outside into background, in place. ``probabilities`` is (class, slice, row, column)."""
    probabilities[:, ~inside] = 0.0
    probabilities[0, ~inside] = 1.0


def keep_linked(probabilities: Floats, spacing: tuple[float, float, float], gap: float) -> int:
    """Turn what does not hang on a main trunk into background, in place.

    A piece hangs on a trunk where vessel leads there, artery or vein, over gaps of at most ``gap``: a map has holes
    where a vessel is thin. Where there is no trunk at all, nothing is dropped.

    Args:
        probabilities: (class, slice, row, column).
        spacing: mm.
        gap: mm between the surfaces of two pieces.

    Returns:
        How many voxels were dropped.
    """
    vessel = np.maximum(probabilities[ARTERY], probabilities[VEIN]) > probabilities[0]
    trunk = edt.edt(vessel, anisotropy=spacing) >= TRUNK_MM
    if not trunk.any():
        return 0
    groups = cc3d.connected_components(edt.edt(~vessel, anisotropy=spacing) <= gap / 2, connectivity=26)
    loose = vessel & ~np.isin(groups, np.unique(groups[trunk]))
    keep_inside(probabilities, ~loose)
    return int(np.count_nonzero(loose))


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


def nodule_body(volume: Volume, centre: tuple[float, float, float], diameter: float) -> Region:
    """The solid body of a nodule: soft tissue in its sphere that is too thick to be a vessel which runs into it.

    A nodule of ground glass has none; of a part-solid one it is the solid part.

    Args:
        volume: HU, any grid.
        centre: LPS mm.
        diameter: mm.
    """
    middle, spacing = np.asarray(centre, dtype=np.float64), tuple(volume.spacing)
    sphere = ball(volume, middle, diameter / 2)
    # One radius more on each side, so that the box's faces do not make anything look thin.
    around = ball_box(volume, middle, diameter)
    first, second, third = (
        slice(part.start - outer.start, part.stop - outer.start) for part, outer in zip(sphere.box, around, strict=True)
    )
    cut = first, second, third
    soft = np.asarray(volume.array[around]) > SOFT
    if not soft[cut].any():
        return Region(sphere.box, soft[cut])
    thick = THINNER * diameter / 2
    core = (edt.edt(soft, anisotropy=spacing) >= thick)[cut] & sphere.inside
    if not core.any():
        return Region(sphere.box, core)
    near = edt.edt(~core, anisotropy=spacing) <= thick + max(spacing)
    return Region(sphere.box, near & soft[cut] & sphere.inside)
