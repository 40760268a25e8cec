"""Nodules in a DICOM Segmentation (PS3.3 A.51, C.8.20)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cc3d
import highdicom
import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from pulmomap.dicom.header import integer, items, text
from pulmomap.dicom.nodule_terms import codes_in, is_nodule
from pulmomap.dicom.nodule_trust import Claim, DistrustError, Target

_SMALLEST_MM3 = 4.2
"""A sphere of 2 mm: smaller specks of an automatic segmentation are noise."""
_LARGEST_GRID = 8
"""A segmentation's grid may have so many times the voxels of the CT; more is not a drawing on this series."""


def read_segmentation(path: Path, header: Dataset, target: Target) -> tuple[Claim, ...]:
    """The nodules of a segmentation, binary, fractional or label map.

    A segment with a tracking UID is one nodule; without one, each of its connected components is. The diameter is that
    of the sphere of equal volume.

    Raises:
        DistrustError: if it holds nodules that cannot be taken for this series.
    """
    segments = [one for one in items(header, "SegmentSequence") if _is_nodule(one)]
    if not segments:
        return ()
    target.require_frame(text(header, "FrameOfReferenceUID"))
    target.require_series({text(one, "SeriesInstanceUID") for one in items(header, "ReferencedSeriesSequence")})
    segmentation = highdicom.seg.segread(path)
    geometry = segmentation.get_volume_geometry(allow_missing_positions=True)
    if geometry is None:
        raise DistrustError("has no regular grid")
    if np.prod(geometry.spatial_shape) > _LARGEST_GRID * np.prod(target.geometry.spatial_shape):
        raise DistrustError(f"has a grid of {geometry.spatial_shape}, far larger than the CT")
    return tuple(claim for segment in segments for claim in _claims(segmentation, segment, target))


def _is_nodule(segment: Dataset) -> bool:
    return is_nodule(
        codes_in(segment, "SegmentedPropertyTypeCodeSequence"),
        [text(segment, "SegmentLabel")],
        codes_in(segment, "AnatomicRegionSequence"),
    )


def _claims(segmentation: highdicom.seg.Segmentation, segment: Dataset, target: Target) -> Iterator[Claim]:
    number = integer(segment, "SegmentNumber")
    if number is None:
        raise DistrustError("holds a segment without a number")
    volume = segmentation.get_volume(segment_numbers=[number], allow_missing_positions=True)
    mask = np.asarray(volume.array).reshape(volume.spatial_shape) >= 0.5
    tracking_uid = text(segment, "TrackingUID") or None
    for voxels in _parts(mask, whole=tracking_uid is not None):
        if len(voxels) * volume.voxel_volume < _SMALLEST_MM3:
            continue
        points = volume.map_indices_to_reference(voxels.astype(np.float64))
        target.require_inside(points)
        diameter = float(np.cbrt(6 * len(voxels) * volume.voxel_volume / np.pi))
        yield Claim(centre=points.mean(axis=0), diameter=diameter, tracking_uid=tracking_uid)


def _parts(mask: npt.NDArray[np.bool_], whole: bool) -> Iterator[npt.NDArray[np.int64]]:
    """The voxel indices (n, 3) of each part."""
    if whole:
        voxels = np.argwhere(mask)
        if len(voxels):
            yield voxels
        return
    labels, count = cc3d.connected_components(mask, connectivity=26, return_N=True)
    voxels, found = np.argwhere(labels), labels[labels > 0]
    for label in range(1, count + 1):
        yield voxels[found == label]
