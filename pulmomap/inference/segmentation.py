"""NCCT and Syn-CECT to arteries and veins.

Classes are decided on the network's grid, where the network knows what it knows; the label map, one byte a voxel, is
what goes back to the scan's grid.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

import cc3d
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pulmomap.case import SynCect, VesselMap
from pulmomap.imaging.resampling import resample_labels
from pulmomap.imaging.windows import Blend, Size, Tiling
from pulmomap.inference.bundle import Bundle, load_segmentation_bundle
from pulmomap.inference.bundle_spec import SegmentationConfig
from pulmomap.inference.hardware import Device, Precision
from pulmomap.inference.preparation import Floats, Progress, cut, lung_region, no_progress, padded, to_network
from pulmomap.inference.runtime import Runtime, open_runtime

CLASSES = 3  # background, PA, PV
Labels = NDArray[np.uint8]


class SegmentationSettings(BaseModel):
    """How the vessel map is made. What belongs to the weights stands in their bundle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    smallest_mm3: float = Field(20.0, ge=0, description="mm3; pieces of artery or vein below this size are dropped")


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
    stacked = np.stack([image.array for image in images])
    del images
    labels = _labels(padded(stacked, (1, 2, 3), model.bundle.stride), model, progress)
    slices, rows, columns = grid.spatial_shape
    labels = _without_crumbs(labels[:slices, :rows, :columns], model.settings.smallest_mm3 / grid.voxel_volume)
    return VesselMap(syn, resample_labels(grid.with_array(labels), ncct.volume), model.bundle.identity)


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


def _labels(stacked: Floats, model: VesselModel, progress: Progress) -> Labels:
    """The most likely class of each voxel of (channels, *size)."""
    inference, stride = model.bundle.config.inference, model.bundle.stride
    first, second, third = stacked.shape[1:]
    largest = tuple(max(side // stride, 1) * stride for side in inference.window)
    tile = fitted_tile((first, second, third), (largest[0], largest[1], largest[2]), inference.overlap, stride)
    tiling = Tiling((first, second, third), tile, inference.overlap)
    blend = Blend(tiling, CLASSES)
    windows = list(tiling.windows())
    for done, window in enumerate(windows, start=1):
        blend.add(window, model.runtime(np.ascontiguousarray(stacked[(None, slice(None), *window)]))[0])
        progress(done / len(windows))
    labels = np.empty(tiling.size, np.uint8)
    for place, logits in enumerate(blend.result.transpose(1, 0, 2, 3)):
        labels[place] = logits.argmax(axis=0)  # ties fall to the lower class, background first
    return labels


def _without_crumbs(labels: Labels, smallest: float) -> Labels:
    """Without the connected pieces (26 neighbours, one class) of fewer than ``smallest`` voxels."""
    if smallest <= 1:
        return labels
    kept: Labels = cc3d.dust(np.ascontiguousarray(labels), threshold=ceil(smallest), connectivity=26)
    return kept
