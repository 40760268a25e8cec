"""The source image of every slice of a volume, and what results repeat of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from highdicom import Volume
from pydicom import Dataset
from pydicom.uid import UID
from pydicom.valuerep import DSfloat

from pulmomap.case import Ncct, SelectedSeries
from pulmomap.dicom.frames import MULTI_FRAME_CLASSES, Slice, slices_of
from pulmomap.dicom.header import text
from pulmomap.dicom.patient_study import copy_attributes
from pulmomap.refusals import Flag

_LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
_APART = 0.5
"""Voxels. A source image farther than this from its slice is not its source."""


@dataclass(frozen=True)
class SourcePlane:
    """One slice of the volume where it came from.

    Attributes:
        header: of the file that holds it.
        plane: its position, orientation and spacing.
    """

    header: Dataset
    plane: Slice

    @property
    def class_uid(self) -> UID:
        return UID(text(self.header, "SOPClassUID"))

    @property
    def instance_uid(self) -> UID:
        return UID(text(self.header, "SOPInstanceUID"))

    @property
    def frame_number(self) -> int | None:
        """From 1, for a frame of a multi-frame image; None for a single-frame image."""
        return self.plane.frame + 1 if self.class_uid in MULTI_FRAME_CLASSES else None

    def reference(self) -> Dataset:
        """The item of a sequence that refers to this image (DICOM PS3.3 10.3, Image SOP Instance Reference)."""
        item = Dataset()
        item.ReferencedSOPClassUID = self.class_uid
        item.ReferencedSOPInstanceUID = self.instance_uid
        if self.frame_number is not None:
            item.ReferencedFrameNumber = self.frame_number
        return item


def source_planes(series: SelectedSeries, volume: Volume) -> tuple[SourcePlane, ...]:
    """The source of each slice, in the order of the volume's first axis.

    Raises:
        ValueError: if the volume does not lie on the series' grid.
    """
    planes = slices_of(series.instances)
    normal = np.cross(planes[0].orientation[:3], planes[0].orientation[3:])
    ordered = sorted(planes, key=lambda one: float(np.dot(one.position, normal)))
    expected = (len(ordered), ordered[0].rows, ordered[0].columns)
    if volume.spatial_shape != expected:
        raise ValueError(f"the volume has the shape {volume.spatial_shape}, its series {expected}")
    index = volume.map_reference_to_indices(np.array([one.position for one in ordered]))
    apart = np.abs(index - np.arange(len(ordered))[:, None] * [1, 0, 0]).max()
    if apart > _APART:
        raise ValueError(f"the volume lies up to {apart:.1f} voxels away from the images of its series")
    return tuple(SourcePlane(series.instances[one.instance].header, one) for one in ordered)


def copy_lossy_compression(header: Dataset, ncct: Ncct, result: Dataset) -> None:
    """Once lossy, always lossy: what is computed from such an image says so too (PS3.3 C.7.6.1.1.5)."""
    copy_attributes(header, result, _LOSSY)
    if Flag.LOSSY_COMPRESSION in ncct.flags:
        result.LossyImageCompression = "01"


def decimals(numbers: Sequence[float]) -> list[DSfloat]:
    """Numbers as decimal strings of at most 16 characters, which read back as the same or the nearest such number."""
    return [DSfloat(one, auto_format=True) for one in numbers]
