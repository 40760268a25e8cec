"""NCCT and Syn-CECT to arteries and veins.

The network's probabilities, not its labels, go back to the scan's grid, a few slices at a time: where the wall of a
vessel runs between two voxels is known from the probabilities alone. Only the label map, one byte a voxel, ever exists
on the scan's own grid.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path

import cc3d
import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pulmomap.case import Ncct, SynCect, VesselMap
from pulmomap.imaging.between_lungs import between_the_lungs
from pulmomap.imaging.classes import resample_classes
from pulmomap.imaging.windows import Size, Tiling
from pulmomap.inference.bundle import Bundle, load_segmentation_bundle
from pulmomap.inference.bundle_spec import SegmentationConfig
from pulmomap.inference.cleaning import keep_inside, keep_linked, nodule_body, one_class_a_branch
from pulmomap.inference.hardware import Device, Precision
from pulmomap.inference.preparation import (
    Floats,
    Progress,
    at_least,
    cut,
    lung_region,
    no_progress,
    padded,
    to_network,
)
from pulmomap.inference.runtime import Runtime, open_runtime
from pulmomap.inference.sliding import sliding_probabilities

CLASSES = 3  # background, PA, PV
Labels = NDArray[np.uint8]


class SegmentationSettings(BaseModel):
    """How the vessel map is made. What belongs to the weights stands in their bundle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    smallest_mm3: float = Field(2.0, ge=0, description="mm3; pieces of artery or vein below this size are dropped")
    only_between_lungs: bool = Field(
        True, description="drop what lies outside the convex hull of both lungs, slice by slice: chest wall, abdomen"
    )
    trunk_gap_mm: float = Field(
        3.0,
        ge=0,
        description="mm; drop pieces from which no main trunk can be reached over gaps of at most this; 0 drops none",
    )
    branch_majority: float = Field(
        0.6,
        ge=0.5,
        le=1.01,
        description="a branch becomes one class when this share of its evidence says so; above 1 it never does",
    )
    without_nodules: bool = Field(
        True, description="take the solid bodies of the known nodules out of the map; vessels that enter them stay"
    )

    @property
    def identity(self) -> str:
        """The settings as text, for the identity of what they made."""
        return " ".join(f"{name}={value:g}" for name, value in self.model_dump().items())


@dataclass(frozen=True)
class VesselModel:
    """A vessel segmenter that is ready to run."""

    bundle: Bundle[SegmentationConfig]
    runtime: Runtime
    settings: SegmentationSettings = field(default_factory=SegmentationSettings)


def open_vessel_model(
    folder: Path,
    settings: SegmentationSettings | None = None,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: int = 0,
) -> VesselModel:
    """Load a bundle and put it on a device.

    Raises:
        BundleError: see :func:`pulmomap.inference.bundle.load_bundle` and
            :func:`pulmomap.inference.runtime.open_runtime`.
    """
    bundle = load_segmentation_bundle(folder)
    return VesselModel(bundle, open_runtime(bundle, device, precision, threads), settings or SegmentationSettings())


def segment(syn: SynCect, model: VesselModel, progress: Progress = no_progress) -> VesselMap:
    """Map arteries and veins in the region of the lungs.

    Args:
        syn: the Syn-CECT with its scan, any orientation and spacing.
        model: from :func:`open_vessel_model`.
        progress: is told the part that is done, 0 to 1.

    Returns:
        uint8 labels on exactly the scan's grid; 0 outside the box around the lungs.

    Raises:
        ValueError: Syn-CECT and scan are not on one grid.
    """
    ncct, config = syn.ncct, model.bundle.config
    if not syn.volume.geometry_equal(ncct.volume, tol=None):
        raise ValueError(f"the Syn-CECT lies on the grid {syn.volume.affine}, its scan on {ncct.volume.affine}")
    box = lung_region(ncct, config.inference.lung_margin_mm)
    images = [to_network(cut(volume, box), config.preprocessing) for volume in (ncct.volume, syn.volume)]
    grid = images[0]
    slices, rows, columns = grid.spatial_shape
    stacked = np.stack([image.array for image in images])
    del images
    scores = probabilities(stacked, model, progress)[:, :slices, :rows, :columns]
    _clean(scores, grid, ncct.lungs, model.settings)
    labels = resample_classes(scores, grid, ncct.volume)
    del scores
    if model.settings.without_nodules:
        _take_out_nodules(labels, ncct)
    inside = _without_crumbs(labels.array[box].copy(), model.settings.smallest_mm3 / ncct.volume.voxel_volume)
    labels.array[...] = 0  # the network's grid may reach a fraction of a voxel beyond the box
    labels.array[box] = inside
    identity = replace(model.bundle.identity, settings=model.settings.identity)
    return VesselMap(syn, labels, identity)


def fitted_tile(size: Size, largest: Size, overlap: float, stride: int) -> Size:
    """The smallest window that covers a volume with no more windows than the largest one would.

    Args:
        size: of the volume, voxels, multiples of ``stride``.
        largest: window allowed, multiples of ``stride``.
        overlap: least part of a window shared with the next.
        stride: of the network.
    """

    def count(axis: int, side: int) -> int:
        return Tiling((size[axis],) * 3, (side,) * 3, overlap).counts[0]

    def fit(axis: int) -> int:
        least = count(axis, largest[axis])
        return next(side for side in range(stride, largest[axis] + 1, stride) if count(axis, side) <= least)

    return fit(0), fit(1), fit(2)


def probabilities(stacked: Floats, model: VesselModel, progress: Progress = no_progress) -> Floats:
    """Of each class (first axis) at each voxel of (channels, *size), network units.

    The result may reach beyond the volume's end: as far as the windows had to.
    """
    inference, stride = model.bundle.config.inference, model.bundle.stride
    if inference.fixed_window:
        tile = inference.window
        stacked = at_least(stacked, tile)
    else:
        stacked = padded(stacked, (1, 2, 3), stride)
        first, second, third = (max(side // stride, 1) * stride for side in inference.window)
        tile = fitted_tile(_size(stacked), (first, second, third), inference.overlap, stride)
    tiling = Tiling(_size(stacked), tile, inference.overlap)
    return sliding_probabilities(stacked, model.runtime, tiling, CLASSES, progress)


def _size(stacked: Floats) -> Size:
    first, second, third = stacked.shape[1:]
    return first, second, third


def _clean(scores: Floats, grid: Volume, lungs: Volume, settings: SegmentationSettings) -> None:
    """Anatomical clean-up of the probabilities on the network's grid, in place."""
    if settings.only_between_lungs:
        keep_inside(scores, between_the_lungs(lungs, grid))
    first, second, third = grid.spacing
    if settings.trunk_gap_mm:
        keep_linked(scores, (first, second, third), settings.trunk_gap_mm)
    if settings.branch_majority <= 1.0:
        one_class_a_branch(scores, (first, second, third), settings.branch_majority)


def _take_out_nodules(labels: Volume, ncct: Ncct) -> None:
    """In place; nodules of which only a point is known stay as they are."""
    for nodule in ncct.nodules:
        if nodule.diameter is not None:
            body = nodule_body(ncct.volume, nodule.centre, nodule.diameter)
            labels.array[body.box][body.inside] = 0


def _without_crumbs(labels: Labels, smallest: float) -> Labels:
    """Without the connected pieces (26 neighbours, one class) of fewer than ``smallest`` voxels."""
    if smallest <= 1:
        return labels
    kept: Labels = cc3d.dust(labels, threshold=ceil(smallest), connectivity=26)
    return kept
