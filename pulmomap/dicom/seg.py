"""Arteries and veins as a DICOM Segmentation on the source's own grid."""

from __future__ import annotations

from typing import Literal

import numpy as np
from highdicom.color import CIELabColor
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom import Dataset

from pulmomap import __version__
from pulmomap.case import Vessel, VesselMap
from pulmomap.dicom.codes import ANATOMICAL_STRUCTURE, VESSELS
from pulmomap.dicom.frames import slices_of
from pulmomap.dicom.provenance import (
    CREATOR,
    MANUFACTURER,
    MODEL_NAME,
    algorithm,
    contributing_equipment,
    derive_uid,
    file_meta,
    result_uid,
    series_number,
    set_source_times,
)

ROLE = 2
Layout = Literal["BINARY", "LABELMAP"]
# The convention of lung radiology: what carries venous blood, the pulmonary artery, is blue; the vein is red.
COLOURS = {Vessel.ARTERY: (49, 130, 255), Vessel.VEIN: (230, 57, 53)}


def vessel_segmentation(vessels: VesselMap, layout: Layout = "BINARY") -> Segmentation | None:
    """The vessel map as a SEG with one segment for each vessel that is there.

    Args:
        vessels: the map; its grid is the series' own.
        layout: BINARY, which viewers show today, or LABELMAP (a hundredth of the size).

    Returns:
        The object; None for an empty map, for a SEG without frames is not valid. Segment numbers are those of
        :func:`segments_of`.
    """
    numbers = segments_of(vessels)
    if not numbers:
        return None
    series, models = vessels.ncct.series, (vessels.syn.model, vessels.model)
    sources = _sources(vessels)
    instance_uid = result_uid(series, f"seg {layout} 1", *models)
    segmentation = Segmentation(
        source_images=sources,
        pixel_array=_by_frame(vessels, numbers),
        segmentation_type=SegmentationTypeValues[layout],
        segment_descriptions=[_description(vessels, vessel, number) for vessel, number in numbers.items()],
        series_instance_uid=result_uid(series, f"seg {layout}", *models),
        series_number=series_number(sources[0], ROLE),
        sop_instance_uid=instance_uid,
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL_NAME,
        software_versions=__version__,
        device_serial_number=vessels.model.digest[:16],
        content_label="PA_AND_PV",
        content_description="Pulmonary arteries and veins, research use only",
        content_creator_name=CREATOR,
        series_description="Pulmonary arteries and veins (PulmoMAP, research)",
        omit_empty_frames=True,
    )
    _make_deterministic(segmentation, vessels, instance_uid)
    return segmentation


def segments_of(vessels: VesselMap) -> dict[Vessel, int]:
    """Segment number of each vessel that the map holds; consecutive from 1, as the standard asks."""
    present = np.bincount(vessels.labels.array.ravel(), minlength=max(Vessel) + 1)
    return {vessel: number for number, vessel in enumerate((v for v in Vessel if present[v]), start=1)}


def tracking_uid(vessels: VesselMap, vessel: Vessel) -> str:
    """What follows a vessel through SEG and SR."""
    return result_uid(vessels.ncct.series, f"segment {vessel.name}", vessels.syn.model, vessels.model)


def _sources(vessels: VesselMap) -> list[Dataset]:
    """The source headers under one frame of reference (see MIXED_FRAME_OF_REFERENCE)."""
    headers = []
    for instance in vessels.ncct.series.instances:
        header = Dataset(instance.header)
        header.FrameOfReferenceUID = vessels.ncct.series.frame_of_reference_uid
        # Type 2 attributes that a de-identified source may lack, which highdicom expects to read.
        for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"):
            if keyword not in header:
                setattr(header, keyword, "")
        headers.append(header)
    return headers


def _by_frame(vessels: VesselMap, numbers: dict[Vessel, int]) -> NDArray[np.uint8]:
    """Segment numbers in the order of the source's frames, so that every frame keeps its plane's exact position."""
    table = np.zeros(256, dtype=np.uint8)
    for vessel, number in numbers.items():
        table[vessel] = number
    labels = table[vessels.labels.array]
    planes = slices_of(vessels.ncct.series.instances)
    normal = vessels.labels.affine[:3, 0]
    order = np.argsort([float(np.dot(plane.position, normal)) for plane in planes])
    return labels[np.argsort(order)]


def _description(vessels: VesselMap, vessel: Vessel, number: int) -> SegmentDescription:
    return SegmentDescription(
        segment_number=number,
        segment_label=vessel.title,
        segmented_property_category=ANATOMICAL_STRUCTURE,
        segmented_property_type=VESSELS[vessel],
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm(vessels.model),
        tracking_uid=tracking_uid(vessels, vessel),
        tracking_id=vessel.title,
        display_color=CIELabColor.from_rgb(*COLOURS[vessel]),
    )


def _make_deterministic(segmentation: Segmentation, vessels: VesselMap, instance_uid: str) -> None:
    """Replace what highdicom reads from the clock or draws at random."""
    set_source_times(segmentation, vessels.ncct.series.instances[0].header)
    organization = derive_uid(instance_uid, "dimensions")
    segmentation.DimensionOrganizationSequence[0].DimensionOrganizationUID = organization
    for index in segmentation.DimensionIndexSequence:
        index.DimensionOrganizationUID = organization
    segmentation.ContributingEquipmentSequence = contributing_equipment(vessels.syn.model, vessels.model)
    transfer_syntax = segmentation.file_meta.TransferSyntaxUID
    segmentation.file_meta = file_meta(segmentation.SOPClassUID, instance_uid)
    segmentation.file_meta.TransferSyntaxUID = transfer_syntax
