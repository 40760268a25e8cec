"""What is measured of one image, one vessel map, one nodule: names and outcomes.

Definitions are those of :mod:`pulmomap.metrics`. Names end in ``_pa`` and ``_pv`` where there is one a vessel.
"""

from __future__ import annotations

import cc3d
import numpy as np
from highdicom import Volume
from numpy.typing import NDArray

from pulmomap.case import Vessel
from pulmomap.imaging.lung_finding import AIR, enclosed
from pulmomap.metrics.compare import PerinodularComparison
from pulmomap.metrics.image import nmae, psnr
from pulmomap.metrics.outcome import Outcome, Status
from pulmomap.metrics.overlap import confusion
from pulmomap.metrics.similarity import ms_ssim
from pulmomap.metrics.vessel import VesselTable

Mask = NDArray[np.bool_]
Scores = dict[str, Outcome]

SHORT = {Vessel.ARTERY: "pa", Vessel.VEIN: "pv"}


def body_mask(cect: NDArray[np.float32]) -> Mask:
    """The body without table and room: the largest solid part and the air that it surrounds in each slice."""
    solid = np.asarray(cc3d.largest_k(cect > AIR, k=1, connectivity=6)) > 0
    return np.asarray(solid | enclosed(~solid))


def image_scores(image: NDArray[np.number], cect: NDArray[np.number], regions: dict[str, Mask]) -> Scores:
    """How far an image is from the CECT.

    Args:
        image, cect: HU, one shape.
        regions: masks of that shape: ``body``, ``lungs`` and ``vessel`` (PA and PV).

    Returns:
        ``psnr`` dB (R = 2000 HU), ``nmae`` (R likewise), ``ssim``, ``ms_ssim``, over the volume; ``body_psnr`` and so
        on in each region (but no MS-SSIM, see :mod:`pulmomap.metrics.similarity`); ``vessel_mae`` and ``other_mae``,
        HU, in and outside PA and PV.
    """
    similar = ms_ssim(image, cect, regions=regions)
    scores = {
        "psnr": psnr(image, cect),
        "nmae": nmae(image, cect),
        "ssim": similar.ssim,
        "ms_ssim": similar.outcome,
    }
    for name, mask in regions.items():
        scores |= {
            f"{name}_psnr": psnr(image, cect, mask),
            f"{name}_nmae": nmae(image, cect, mask),
            f"{name}_ssim": similar.regional[name],
        }
    error = np.abs(image.astype(np.float32) - cect.astype(np.float32))
    vessel = regions["vessel"]
    return scores | {"vessel_mae": _mean(error, vessel), "other_mae": _mean(error, ~vessel)}


def vessel_scores(table: VesselTable, found: Volume, truth: Volume) -> Scores:
    """How well arteries and veins were found, and how large their trees are; see :mod:`pulmomap.metrics.vessel`."""
    scores: Scores = {}
    for short, one in zip(SHORT.values(), (table.artery, table.vein), strict=True):
        scores |= {
            f"dice_{short}": one.dice,
            f"dice_{short}_lungs": one.dice_lung,
            f"sensitivity_{short}": one.sensitivity,
            f"sensitivity_{short}_lungs": one.sensitivity_lung,
            f"specificity_{short}": one.specificity,
            f"specificity_{short}_lungs": one.specificity_lung,
            f"length_{short}": one.tree.length_detected,
            f"branches_{short}": one.tree.branches_detected,
            f"precision_{short}": one.tree.precision,
            f"cldice_{short}": one.tree.cl_dice,
            f"sl_ratio_{short}": one.tree.length_ratio,
            f"bc_ratio_{short}": one.tree.bifurcation_ratio,
            f"hd95_{short}": one.hd95,
            f"sl_{short}": Outcome(float(one.predicted.skeleton_voxels)),
            f"bc_{short}": Outcome(float(one.predicted.bifurcations)),
            f"length_per_litre_{short}": one.predicted.length_per_litre,
            f"bc_per_litre_{short}": one.predicted.bifurcations_per_litre,
        }
    true = np.asarray(truth.array) > 0
    hits = (np.asarray(found.array) > 0).astype(np.float32)
    return scores | {
        "sensitivity": _mean(hits, true),
        "mcs": table.misclassification,
        "mcs_lungs": table.misclassification_lung,
        "lung_litres": Outcome(table.lung_volume_predicted),
    }


def agreement(found: Volume, other: Volume) -> Scores:
    """Dice of two maps by the same network, of which neither is the truth."""
    table = confusion(np.asarray(found.array), np.asarray(other.array))
    return {f"agreement_{short}": table.dice(vessel) for vessel, short in SHORT.items()}


def nodule_scores(compared: PerinodularComparison) -> Scores:
    """Arteries and veins in the sphere around a nodule; see :mod:`pulmomap.metrics.compare`."""
    scores: Scores = {}
    for short, one in zip(SHORT.values(), (compared.artery, compared.vein), strict=True):
        index = one.reference.index
        missing = Outcome.missing(Status.REF_EMPTY)
        scores |= {
            f"local_dice_{short}": one.local_dice,
            f"frag_index_{short}": one.frag_index,
            f"fragments_{short}": Outcome(float(one.predicted.count)),
            f"volume_{short}": Outcome(one.predicted.volume),
            f"reference_frag_index_{short}": missing if index is None else Outcome(index),
            f"local_hd95_{short}": one.hd95,
            f"local_hd95_pooled_{short}": one.hd95_pooled,
            f"local_assd_{short}": one.assd,
        }
    return scores


def _mean(values: NDArray[np.float32], mask: Mask) -> Outcome:
    inside = values[mask]
    return Outcome(float(inside.mean(dtype=np.float64))) if inside.size else Outcome.missing(Status.REF_EMPTY)
