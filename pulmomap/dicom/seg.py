"""Arteries and veins as a DICOM SEG in the source's own places.

Source: DICOM PS3.3 A.51 and C.8.20 (segmentation), C.7.6.16 (functional groups), C.7.6.17 (dimensions).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from highdicom.color import CIELabColor
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import CTImageStorage

from pulmomap import __version__
from pulmomap.case import Vessel, VesselMap
from pulmomap.dicom.codes import ANATOMICAL_STRUCTURE, VESSELS
from pulmomap.dicom.header import OWN_NAME
from pulmomap.dicom.patient_study import PATIENT_AND_STUDY, allow_text, copy_patient_and_study
from pulmomap.dicom.provenance import (
    CREATOR_NAME,
    Role,
    algorithm_identification,
    derive_uid,
    file_meta,
    result_uid,
    series_number,
    set_equipment,
    set_moment,
)
from pulmomap.dicom.sources import SourcePlane, copy_lossy_compression, decimals, source_planes

Layout = Literal["BINARY", "LABELMAP"]

COLOURS = {Vessel.ARTERY: (64, 132, 255), Vessel.VEIN: (240, 70, 70)}
"""sRGB. Pulmonary arteries are blue and veins red, as in atlases of the lung: the arteries carry deoxygenated blood."""


def vessel_segmentation(vessels: VesselMap, layout: Layout = "BINARY") -> Segmentation | None:
    """The vessel map as a SEG: segment 1 pulmonary artery, segment 2 pulmonary vein.

    Both segments are always described, so that a number always means the same; frames without a vessel are left out.

    Args:
        vessels: the map, on the grid of its series.
        layout: BINARY (every viewer) or LABELMAP (one frame a slice; few viewers yet).

    Returns:
        The object, uncompressed; None for a map without any vessel, as a SEG must have a frame.

    Raises:
        ValueError: if the map does not lie on the series' grid or holds other values than those of Vessel.
    """
    labels = _labels(vessels)
    if not labels.any():
        return None
    series, models = vessels.ncct.series, (vessels.syn.model, vessels.model)
    sources = source_planes(series, vessels.labels)
    orientation = sources[0].plane.orientation
    images = [_image_header(one, number, vessels, orientation) for number, one in enumerate(sources, start=1)]
    first = series.instances[0].header
    segmentation = Segmentation(
        source_images=images,
        pixel_array=labels,
        segmentation_type=SegmentationTypeValues[layout],
        segment_descriptions=[_description(vessel, vessels) for vessel in Vessel],
        series_instance_uid=result_uid(series, models, Role.VESSELS, layout),
        series_number=series_number(first, Role.VESSELS),
        sop_instance_uid=result_uid(series, models, Role.VESSELS, layout, "instance"),
        instance_number=1,
        manufacturer=OWN_NAME,
        manufacturer_model_name=OWN_NAME,
        software_versions=__version__,
        device_serial_number=vessels.model.digest[:16],
        content_label="PULMONARYVESSELS",
        content_description="Pulmonary arteries and veins from a non-contrast CT",
        content_creator_name=CREATOR_NAME,
        series_description="Pulmonary arteries and veins - research use only",
        omit_empty_frames=True,
    )
    _refer_to_frames(segmentation, {image.SOPInstanceUID: one for image, one in zip(images, sources, strict=True)})
    _finish(segmentation, vessels)
    return segmentation


def tracking_uid(vessels: VesselMap, vessel: Vessel) -> str:
    """The UID that follows a vessel's segment into other objects."""
    return result_uid(vessels.ncct.series, (vessels.syn.model, vessels.model), Role.VESSELS, "segment", vessel.name)


def _labels(vessels: VesselMap) -> NDArray[np.uint8]:
    labels = vessels.labels.array
    if labels.dtype != np.uint8 or labels.max(initial=0) > max(Vessel):
        raise ValueError(f"a vessel map holds uint8 values up to {max(Vessel):d}, not {labels.dtype} {labels.max()}")
    return labels


def _image_header(source: SourcePlane, number: int, vessels: VesselMap, orientation: Sequence[float]) -> Dataset:
    """A slice as highdicom reads it: a single-frame image with nothing but what is needed.

    All have one frame of reference and one orientation, as highdicom asks, even where de-identification gave each slice
    a frame of its own or cosines differ in the last digit. Frames of a multi-frame image get stand-in UIDs, which
    :func:`_refer_to_frames` replaces.
    """
    series = vessels.ncct.series
    image = Dataset()
    image.StudyInstanceUID, image.SeriesInstanceUID = series.study_uid, series.series_uid
    image.SOPClassUID, image.SOPInstanceUID = source.class_uid, source.instance_uid
    if source.frame_number is not None:
        image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, derive_uid("frame", source.instance_uid, str(number))
    image.Modality = "CT"
    image.FrameOfReferenceUID = series.frame_of_reference_uid
    image.Rows, image.Columns = source.plane.rows, source.plane.columns
    image.ImagePositionPatient = decimals(source.plane.position)
    image.ImageOrientationPatient = decimals(orientation)
    image.PixelSpacing = decimals(source.plane.pixel_spacing)
    spacing = vessels.labels.spacing[0]
    (image.SliceThickness,) = decimals([source.plane.thickness or spacing])
    (image.SpacingBetweenSlices,) = decimals([spacing])
    copy_lossy_compression(source.header, vessels.ncct, image)
    # Filled by copy_patient_and_study afterwards; highdicom only has to find them.
    for keyword in PATIENT_AND_STUDY:
        setattr(image, keyword, None)
    return image


def _description(vessel: Vessel, vessels: VesselMap) -> SegmentDescription:
    return SegmentDescription(
        segment_number=int(vessel),
        segment_label=vessel.title,
        segmented_property_category=ANATOMICAL_STRUCTURE,
        segmented_property_type=VESSELS[vessel],
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm_identification(vessels.model),
        tracking_uid=tracking_uid(vessels, vessel),
        tracking_id=vessel.title,
        display_color=CIELabColor.from_rgb(*COLOURS[vessel]),
    )


def _refer_to_frames(segmentation: Segmentation, sources: dict[str, SourcePlane]) -> None:
    """Replace stand-ins for frames by references to their multi-frame image."""
    if all(source.frame_number is None for source in sources.values()):
        return
    for frame in segmentation.PerFrameFunctionalGroupsSequence:
        for item in frame.DerivationImageSequence[0].SourceImageSequence:
            # Both segments' frames of a slice share the item: the second time it is already replaced.
            if item.ReferencedSOPInstanceUID in sources:
                item.update(sources[item.ReferencedSOPInstanceUID].reference())
    whole = {one.instance_uid: one for one in sources.values()}
    references = []
    for source in whole.values():
        reference = source.reference()
        del reference.ReferencedFrameNumber
        references.append(reference)
    segmentation.SourceImageSequence = references
    segmentation.ReferencedSeriesSequence[0].ReferencedInstanceSequence = references


def _finish(segmentation: Segmentation, vessels: VesselMap) -> None:
    """Say whose it is, and replace what highdicom draws at random or reads from the clock."""
    first = vessels.ncct.series.instances[0].header
    copy_patient_and_study(first, segmentation)
    set_moment(segmentation, first)
    set_equipment(segmentation, first, (vessels.syn.model, vessels.model))
    allow_text(segmentation, vessels.syn.model.trained_on, vessels.model.trained_on)
    organization = derive_uid(segmentation.SOPInstanceUID, "dimensions")
    segmentation.DimensionOrganizationSequence[0].DimensionOrganizationUID = organization
    for index in segmentation.DimensionIndexSequence:
        index.DimensionOrganizationUID = organization
    segmentation.file_meta = file_meta(segmentation)
