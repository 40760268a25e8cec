"""A phantom's nodules as DICOM objects: SEG and RTSTRUCT, as a reader would have drawn them on the NCCT."""

from __future__ import annotations

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from highdicom.sr import CodedConcept
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian, RTStructureSetStorage
from skimage.measure import find_contours

from pulmomap import __version__
from pulmomap.phantom.nodules import PhantomNodule
from pulmomap.phantom.series import DATE, TIME, series_of, slice_header, uid
from pulmomap.phantom.thorax import Phantom


def ncct_headers(phantom: Phantom) -> list[Dataset]:
    """The NCCT's slices without pixels."""
    ncct = series_of(phantom)["ncct"]
    return [slice_header(ncct, index) for index in range(phantom.ncct.spatial_shape[0])]


def nodule_segmentation(phantom: Phantom) -> Segmentation:
    """The nodules as a DICOM SEG on the NCCT, so that the app finds them as it would find a reader's."""
    mask = np.zeros(phantom.ncct.spatial_shape, dtype=np.uint8)
    for number, nodule in enumerate(phantom.nodules, start=1):
        mask[nodule.box][nodule.mask] = number
    present = [number for number in range(1, len(phantom.nodules) + 1) if (mask == number).any()]
    for position, number in enumerate(present, start=1):
        mask[mask == number] = position
    sources = ncct_headers(phantom)
    segmentation = Segmentation(
        source_images=sources,
        pixel_array=mask,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_nodule(phantom, position) for position in range(1, len(present) + 1)],
        series_instance_uid=uid(phantom, "seg"),
        series_number=5,
        sop_instance_uid=uid(phantom, "seg", 1),
        instance_number=1,
        manufacturer="Procedural phantom",
        manufacturer_model_name="Thorax phantom",
        software_versions=__version__,
        device_serial_number=str(phantom.seed),
        content_label="NODULES",
        content_creator_name="Phantom^Thorax",
        series_description="Nodules (phantom truth)",
        content_date=DATE,
        content_time=TIME,
        omit_empty_frames=True,
    )
    # highdicom draws a UID and reads the clock; the same phantom has to give the same bytes.
    segmentation["InstanceCreationDate"].value = DATE
    segmentation["InstanceCreationTime"].value = TIME
    for contribution in segmentation.ContributingEquipmentSequence:
        if "ContributionDateTime" in contribution:
            contribution["ContributionDateTime"].value = DATE + TIME
    organization = uid(phantom, "seg", "dimensions")
    segmentation.DimensionOrganizationSequence[0].DimensionOrganizationUID = organization
    for index in segmentation.DimensionIndexSequence:
        index.DimensionOrganizationUID = organization
    return segmentation


def _nodule(phantom: Phantom, number: int) -> SegmentDescription:
    return SegmentDescription(
        segment_number=number,
        segment_label=f"Nodule {number}",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=CodedConcept("27925004", "SCT", "Nodule"),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=AlgorithmIdentificationSequence(
            "Thorax phantom", codes.DCM.ArtificialIntelligence, __version__
        ),
        tracking_uid=uid(phantom, "nodule", number),
        tracking_id=f"Nodule {number}",
    )


def nodule_structures(phantom: Phantom) -> Dataset:
    """The nodules as an RT Structure Set (PS3.3 A.19): closed planar contours on the NCCT's slices."""
    sources = ncct_headers(phantom)
    result = Dataset()
    result.file_meta = FileMetaDataset()
    result.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    result.file_meta.MediaStorageSOPInstanceUID = UID(uid(phantom, "rtstruct", 1))
    result.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID"):
        setattr(result, keyword, sources[0][keyword].value)
    for keyword in ("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "FrameOfReferenceUID"):
        setattr(result, keyword, sources[0][keyword].value)
    result.SOPClassUID, result.SOPInstanceUID = RTStructureSetStorage, uid(phantom, "rtstruct", 1)
    result.Modality, result.SeriesInstanceUID, result.SeriesNumber = "RTSTRUCT", uid(phantom, "rtstruct"), 7
    result.SeriesDescription, result.OperatorsName = "Nodules (phantom truth)", ""
    result.Manufacturer, result.ManufacturerModelName = "Procedural phantom", "Thorax phantom"
    result.SoftwareVersions, result.PositionReferenceIndicator = __version__, ""
    result.StructureSetLabel, result.StructureSetDate, result.StructureSetTime = "NODULES", DATE, TIME
    result.InstanceNumber, result.ApprovalStatus = 1, "UNAPPROVED"
    result.ReferencedFrameOfReferenceSequence = Sequence([_frame(phantom, sources)])
    numbered = list(enumerate(phantom.nodules, start=1))
    result.StructureSetROISequence = Sequence([_roi(phantom, number) for number, _ in numbered])
    contours = [_contours(phantom, number, nodule, sources) for number, nodule in numbered]
    result.ROIContourSequence = Sequence(contours)
    result.RTROIObservationsSequence = Sequence([_observation(number) for number, _ in numbered])
    return result


def _frame(phantom: Phantom, sources: list[Dataset]) -> Dataset:
    frame, study, series = Dataset(), Dataset(), Dataset()
    frame.FrameOfReferenceUID = str(phantom.ncct.frame_of_reference_uid)
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.1", sources[0].StudyInstanceUID
    series.SeriesInstanceUID = sources[0].SeriesInstanceUID
    series.ContourImageSequence = Sequence([_reference(source) for source in sources])
    study.RTReferencedSeriesSequence = Sequence([series])
    frame.RTReferencedStudySequence = Sequence([study])
    return frame


def _reference(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    return item


def _roi(phantom: Phantom, number: int) -> Dataset:
    roi = Dataset()
    roi.ROINumber, roi.ROIName, roi.ROIGenerationAlgorithm = number, f"Nodule {number}", "AUTOMATIC"
    roi.ReferencedFrameOfReferenceUID = str(phantom.ncct.frame_of_reference_uid)
    return roi


def _observation(number: int) -> Dataset:
    item = Dataset()
    item.ObservationNumber = item.ReferencedROINumber = number
    item.RTROIInterpretedType, item.ROIInterpreter = "GTV", ""
    return item


def _contours(phantom: Phantom, number: int, nodule: PhantomNodule, sources: list[Dataset]) -> Dataset:
    roi = Dataset()
    roi.ReferencedROINumber, roi.ROIDisplayColor = number, [255, 215, 0]
    items = []
    for offset, plane in enumerate(nodule.mask):
        index = nodule.box[0].start + offset
        for line in find_contours(np.pad(plane.astype(float), 1), 0.5):  # type: ignore[no-untyped-call]
            rows, columns = line.T - 1
            places = np.stack([np.full(len(rows), index), rows + nodule.box[1].start, columns + nodule.box[2].start])
            points = (phantom.ncct.affine @ np.vstack([places, np.ones(len(rows))]))[:3].T[:-1]
            item = Dataset()
            item.ContourImageSequence = Sequence([_reference(sources[index])])
            item.ContourGeometricType, item.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
            item.ContourData = [f"{value:.4f}" for value in points.ravel()]
            items.append(item)
    roi.ContourSequence = Sequence(items)
    return roi
