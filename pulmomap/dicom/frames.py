"""One image plane, whether it is a file of its own or one frame of an enhanced multi-frame object.

Sources: DICOM PS3.3 C.7.6.2 (image plane), C.7.6.16 (functional groups), C.8.2.1 and C.8.15 (CT, enhanced CT).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage

from pulmomap.case import Instance
from pulmomap.dicom.header import integer, items, missing, number, numbers, text

CT_CLASSES = frozenset({CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage})
MULTI_FRAME_CLASSES = frozenset({EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage})

_ABSURD = 1e6
"""No position, spacing, slope or intercept of a CT is larger (mm, HU)."""


@dataclass(frozen=True)
class Slice:
    """The plane and the units of one image.

    Attributes:
        instance: index of its file in the series' tuple of instances.
        frame: index of the frame in that file, from 0.
        frame_of_reference_uid: DICOM UID.
        rows, columns: matrix size.
        position: centre of the first pixel, LPS mm (Image Position (Patient)).
        orientation: row direction then column direction, cosines in LPS (Image Orientation (Patient)).
        pixel_spacing: mm between rows, mm between columns (Pixel Spacing).
        thickness: Slice Thickness in mm, if stated.
        gantry_tilt: Gantry/Detector Tilt in degrees, if stated.
        slope, intercept: HU = stored value x slope + intercept.
    """

    instance: int
    frame: int
    frame_of_reference_uid: str
    rows: int
    columns: int
    position: tuple[float, float, float]
    orientation: tuple[float, float, float, float, float, float]
    pixel_spacing: tuple[float, float]
    thickness: float | None
    gantry_tilt: float | None
    slope: float
    intercept: float


def slices_of(instances: Sequence[Instance]) -> tuple[Slice, ...]:
    """Every image plane of a series, in the order of the files.

    Raises:
        Refused: INCOMPLETE_HEADER, naming the attribute.
    """
    return tuple(one for index, instance in enumerate(instances) for one in _slices(index, instance.header))


def frame_count(header: Dataset) -> int:
    """How many frames the per-frame functional groups describe; 1 for a single-frame image.

    Raises:
        Refused: INCOMPLETE_HEADER if the number of frames and their descriptions disagree.
    """
    declared = integer(header, "NumberOfFrames") or 1
    if declared == 1 and text(header, "SOPClassUID") not in MULTI_FRAME_CLASSES:
        return 1
    if len(items(header, "PerFrameFunctionalGroupsSequence")) != declared:
        raise missing("PerFrameFunctionalGroupsSequence")
    return declared


def described(header: Dataset, frame: int, macro: str) -> Dataset:
    """Where an attribute of a functional group macro lies: in the frame's group, the shared one or the image itself."""
    per_frame = items(header, "PerFrameFunctionalGroupsSequence")
    groups = (*per_frame[frame : frame + 1], *items(header, "SharedFunctionalGroupsSequence")[:1])
    return next((items(group, macro)[0] for group in groups if items(group, macro)), header)


def _slices(index: int, header: Dataset) -> Iterator[Slice]:
    frame_of_reference = text(header, "FrameOfReferenceUID")
    if not frame_of_reference:
        raise missing("FrameOfReferenceUID")
    rows, columns = _size(header, "Rows"), _size(header, "Columns")
    for frame in range(frame_count(header)):
        position = _required(described(header, frame, "PlanePositionSequence"), "ImagePositionPatient", 3)
        orientation = _required(described(header, frame, "PlaneOrientationSequence"), "ImageOrientationPatient", 6)
        measures = described(header, frame, "PixelMeasuresSequence")
        spacing = _required(measures, "PixelSpacing", 2)
        if min(spacing) <= 0:
            raise missing("PixelSpacing")
        units = described(header, frame, "PixelValueTransformationSequence")
        slope = _required(units, "RescaleSlope", 1)[0]
        if slope == 0:
            raise missing("RescaleSlope")
        yield Slice(
            instance=index,
            frame=frame,
            frame_of_reference_uid=frame_of_reference,
            rows=rows,
            columns=columns,
            position=(position[0], position[1], position[2]),
            orientation=(*orientation[:5], orientation[5]),  # type: ignore[arg-type]  # _required counted them
            pixel_spacing=(spacing[0], spacing[1]),
            thickness=number(measures, "SliceThickness"),
            gantry_tilt=number(described(header, frame, "CTAcquisitionDetailsSequence"), "GantryDetectorTilt"),
            slope=slope,
            intercept=_required(units, "RescaleIntercept", 1)[0],
        )


def _required(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...]:
    found = numbers(dataset, keyword, count)
    if found is None or max(map(abs, found)) > _ABSURD:
        raise missing(keyword)
    return found


def _size(header: Dataset, keyword: str) -> int:
    found = integer(header, keyword)
    if found is None or found < 1:
        raise missing(keyword)
    return found
