"""A predicted artery/vein map against a reference, in the sphere around a nodule.

The measures of the Enhance-GAN paper: LocalDice, FragIndex and HD95 within 50 mm; beside them the average symmetric
surface distance, since HD95 on a 1 mm grid takes few values. Definitions are those of the modules that measure them.

FragIndex falls when a prediction grows fat, so its two parts, fragments and volume, are given too; the value to aim at
is the reference's own, not 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from highdicom import Volume

from pulmomap.case import Vessel
from pulmomap.metrics.distance import surface_distances
from pulmomap.metrics.outcome import Outcome, Status
from pulmomap.metrics.overlap import confusion
from pulmomap.metrics.perinodular import ball, count_fragments


@dataclass(frozen=True)
class Fragments:
    """How a vessel is broken up inside the sphere.

    Attributes:
        count: connected components (26-neighbourhood), counted after cutting.
        volume: cm3.
    """

    count: int
    volume: float

    @property
    def index(self) -> float | None:
        """FragIndex, fragments per cm3; None where the vessel is absent."""
        return self.count / self.volume if self.count else None


@dataclass(frozen=True)
class VesselComparison:
    """One vessel class around one nodule.

    Attributes:
        vessel: artery or vein.
        local_dice: Dice inside the sphere.
        predicted, reference: fragments of both maps.
        hd95, hd95_pooled: mm; the larger of the directed percentiles, and that of both directions together.
        assd: mm.
    """

    vessel: Vessel
    local_dice: Outcome
    predicted: Fragments
    reference: Fragments
    hd95: Outcome
    hd95_pooled: Outcome
    assd: Outcome

    @property
    def frag_index(self) -> Outcome:
        """FragIndex of the prediction; missing where the prediction holds none of the vessel."""
        index = self.predicted.index
        if index is not None:
            return Outcome(index)
        if self.local_dice.status is not Status.OK:
            return Outcome.missing(self.local_dice.status)
        return Outcome.missing(Status.PRED_EMPTY)


@dataclass(frozen=True)
class PerinodularComparison:
    """Both vessels around one nodule. ``roi_diameter`` in mm."""

    roi_diameter: float
    artery: VesselComparison
    vein: VesselComparison


def compare(
    predicted: Volume, reference: Volume, centre: tuple[float, float, float], roi_diameter: float = 50.0
) -> PerinodularComparison:
    """Compare two label maps around a point.

    Args:
        predicted, reference: label maps with the values of :class:`Vessel`, on one grid of any orientation.
        centre: of the nodule, LPS mm. Where the sphere holds no voxel of the maps all outcomes are roi_empty.
        roi_diameter: mm.

    Raises:
        ValueError: the maps lie on different grids, hold other labels, or the diameter is not positive.
    """
    require_one_grid(predicted, reference)
    if not roi_diameter > 0:
        raise ValueError(f"a region of {roi_diameter:g} mm holds nothing; give a positive diameter")
    region = ball(predicted, np.asarray(centre, dtype=np.float64), roi_diameter / 2)
    cuts = [volume.array[region.box] for volume in (predicted, reference)]
    table = confusion(cuts[0], cuts[1], region.inside)

    def one(vessel: Vessel) -> VesselComparison:
        distances = surface_distances(predicted.array, reference.array, predicted.spacing, region, vessel)
        mine, theirs = (_fragments((cut == vessel) & region.inside, predicted) for cut in cuts)
        return VesselComparison(
            vessel=vessel,
            local_dice=table.dice(vessel),
            predicted=mine,
            reference=theirs,
            hd95=distances.hd95(),
            hd95_pooled=distances.hd95(pooled=True),
            assd=distances.assd(),
        )

    return PerinodularComparison(roi_diameter, one(Vessel.ARTERY), one(Vessel.VEIN))


def require_one_grid(volume: Volume, reference: Volume, name: str = "prediction") -> None:
    """Raise ValueError, naming both grids, unless they are the same."""
    if not volume.geometry_equal(reference):
        raise ValueError(
            f"the {name} ({_grid(volume)}) does not lie on the grid of the reference ({_grid(reference)}); "
            "resample one of them first"
        )


def _grid(volume: Volume) -> str:
    return f"shape {volume.spatial_shape}, affine {np.round(volume.affine, 4).tolist()}"


def _fragments(mask: npt.NDArray[np.bool_], volume: Volume) -> Fragments:
    return Fragments(count_fragments(mask), float(np.count_nonzero(mask)) * volume.voxel_volume / 1000.0)
