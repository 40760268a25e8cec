"""The whole-lung table of one case: a predicted artery/vein map against a reference, after the HiPaS paper.

"Intrapulmonary" means inside the lung mask, vessels included; it leaves out the heart and the trunks, which are large
and easy. Abundance is tree length and bifurcations per litre of lung; the lung's volume is without the vessels in it.

The paper counts skeleton voxels on a grid of 334/512 x 334/512 x 1 mm; to compare with its numbers, resample first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from highdicom import Volume

from pulmomap.case import Vessel
from pulmomap.metrics.compare import require_one_grid
from pulmomap.metrics.distance import surface_distances
from pulmomap.metrics.outcome import Outcome, Status
from pulmomap.metrics.overlap import Confusion, confusion
from pulmomap.metrics.skeleton import Skeleton, skeletonise
from pulmomap.metrics.tree import TreeScores, tree_scores


@dataclass(frozen=True)
class Extent:
    """The size of one vessel tree in one map.

    Attributes:
        skeleton_voxels: voxels of the centre lines, spurs pruned (SL).
        length: mm along them.
        bifurcations: of them (BC).
        length_per_litre: mm per litre of lung, of the part of the centre lines inside the lungs.
        bifurcations_per_litre: those inside the lungs, per litre of lung.
    """

    skeleton_voxels: int
    length: float
    bifurcations: int
    length_per_litre: Outcome
    bifurcations_per_litre: Outcome


@dataclass(frozen=True)
class VesselScores:
    """One vessel class.

    Attributes:
        vessel: artery or vein.
        dice, dice_lung: in the whole volume, and inside the lungs.
        sensitivity, sensitivity_lung: likewise.
        specificity, specificity_lung: likewise.
        hd95: mm, whole volume, the larger of the two directions.
        tree: detected fractions, whole volume.
        predicted, reference: the trees' sizes.
    """

    vessel: Vessel
    dice: Outcome
    dice_lung: Outcome
    sensitivity: Outcome
    sensitivity_lung: Outcome
    specificity: Outcome
    specificity_lung: Outcome
    hd95: Outcome
    tree: TreeScores
    predicted: Extent
    reference: Extent


@dataclass(frozen=True)
class VesselTable:
    """The table of one case.

    Attributes:
        artery, vein: scores of each class.
        misclassification, misclassification_lung: MCS, 0 to 0.5, in the whole volume and inside the lungs.
        lung_volume_predicted, lung_volume_reference: litres of lung without the vessels of that map.
    """

    artery: VesselScores
    vein: VesselScores
    misclassification: Outcome
    misclassification_lung: Outcome
    lung_volume_predicted: float
    lung_volume_reference: float


Trees = Mapping[Vessel, Skeleton]
"""The centre lines of each class of a label map."""


def centre_lines(labels: Volume) -> Trees:
    """The centre lines of both classes of a label map."""
    return {vessel: skeletonise(labels.array == vessel, labels.spacing) for vessel in Vessel}


def vessel_table(predicted: Volume, reference: Volume, lungs: Volume, true: Trees | None = None) -> VesselTable:
    """Compare two label maps of a whole scan.

    Args:
        predicted, reference: label maps with the values of :class:`Vessel`.
        lungs: mask of both lungs, vessels and nodules filled.
        true: the reference's centre lines, where several predictions share them; None finds them.

    Raises:
        ValueError: the volumes lie on different grids, or the maps hold other labels.
    """
    require_one_grid(predicted, reference)
    require_one_grid(lungs, reference, "lung mask")
    inside = lungs.array.astype(bool)
    tables = confusion(predicted.array, reference.array), confusion(predicted.array, reference.array, inside)
    litres = tuple(
        float(np.count_nonzero(inside & (volume.array == 0))) * reference.voxel_volume / 1e6
        for volume in (predicted, reference)
    )
    trees = centre_lines(predicted), true or centre_lines(reference)
    artery, vein = (_scores(vessel, (predicted, reference), trees, inside, tables, litres) for vessel in Vessel)
    return VesselTable(
        artery=artery,
        vein=vein,
        misclassification=tables[0].misclassification(),
        misclassification_lung=tables[1].misclassification(),
        lung_volume_predicted=litres[0],
        lung_volume_reference=litres[1],
    )


def _scores(
    vessel: Vessel,
    maps: tuple[Volume, Volume],
    trees: tuple[Trees, Trees],
    inside: npt.NDArray[np.bool_],
    tables: tuple[Confusion, Confusion],
    litres: tuple[float, ...],
) -> VesselScores:
    whole, lung = tables
    masks = [volume.array == vessel for volume in maps]
    skeletons = [tree[vessel] for tree in trees]
    mine, theirs = (_extent(*pair, inside) for pair in zip(skeletons, litres, strict=True))
    return VesselScores(
        vessel=vessel,
        dice=whole.dice(vessel),
        dice_lung=lung.dice(vessel),
        sensitivity=whole.sensitivity(vessel),
        sensitivity_lung=lung.sensitivity(vessel),
        specificity=whole.specificity(vessel),
        specificity_lung=lung.specificity(vessel),
        hd95=surface_distances(masks[0], masks[1], maps[1].spacing).hd95(),
        tree=tree_scores(masks[0], masks[1], skeletons[0], skeletons[1]),
        predicted=mine,
        reference=theirs,
    )


def _extent(skeleton: Skeleton, litres: float, inside: npt.NDArray[Any]) -> Extent:
    within = inside[tuple(skeleton.points.T)]
    groups = skeleton.bifurcation_of
    bifurcations = np.unique(groups[within & (groups >= 0)]).size
    length = skeleton.part(within).length
    return Extent(
        skeleton_voxels=skeleton.voxels,
        length=skeleton.length,
        bifurcations=skeleton.bifurcations,
        length_per_litre=_per(length, litres),
        bifurcations_per_litre=_per(bifurcations, litres),
    )


def _per(amount: float, litres: float) -> Outcome:
    return Outcome(amount / litres) if litres else Outcome.missing(Status.ROI_EMPTY)
