"""Syn-CECT as a CT series: one CT Image Storage object a source slice, on the source's own geometry."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import CTImageStorage

from pulmomap import __version__
from pulmomap.case import SynCect
from pulmomap.dicom.frames import Slice, slices_of
from pulmomap.dicom.provenance import (
    MANUFACTURER,
    MODEL_NAME,
    SYNTHETIC,
    contributing_equipment,
    copy_patient_and_study,
    file_meta,
    result_uid,
    series_number,
    source_time,
)

ROLE = 1
# What stays true of a synthetic image: how the scan it is computed from was made and how the patient lay.
STILL_TRUE = (
    "BodyPartExamined",
    "PatientPosition",
    "Laterality",
    "ProtocolName",
    "KVP",
    "ConvolutionKernel",
    "ReconstructionDiameter",
    "DataCollectionDiameter",
    "PositionReferenceIndicator",
    "PatientOrientation",
    "SliceLocation",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
    "AcquisitionNumber",
    "AcquisitionDate",
    "AcquisitionTime",
)


def synthetic_ct(syn: SynCect) -> Iterator[Dataset]:
    """The slices of the Syn-CECT in the order of the volume, pixels included.

    Marked as DICOM asks for images that no scanner made: ImageType DERIVED, SyntheticData (0008,001C) YES, source
    images and derivation named, no contrast agent claimed (DICOM PS3.3 C.7.6.1.1.2, C.12.1, CP-2078).
    """
    series = syn.ncct.series
    planes = slices_of(series.instances)
    order = _in_volume_order(planes, syn)
    for number, plane in enumerate(order, start=1):
        image = _header(syn, plane, number)
        pixels = np.ascontiguousarray(syn.volume.array[number - 1], dtype="<i2")
        image.PixelData = pixels.tobytes()
        image.SmallestImagePixelValue, image.LargestImagePixelValue = int(pixels.min()), int(pixels.max())
        yield image


def _in_volume_order(planes: tuple[Slice, ...], syn: SynCect) -> list[Slice]:
    """The source plane of each slice of the volume: the one at its position."""
    normal = syn.volume.affine[:3, 0]
    return sorted(planes, key=lambda plane: float(np.dot(plane.position, normal)))


def _header(syn: SynCect, plane: Slice, number: int) -> Dataset:
    series = syn.ncct.series
    source = series.instances[plane.instance].header
    image = Dataset()
    instance_uid = result_uid(series, f"ct {number}", syn.model)
    image.file_meta = file_meta(CTImageStorage, instance_uid)
    copy_patient_and_study(source, image)
    image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, instance_uid
    image.Modality, image.ImageType = "CT", ["DERIVED", "SECONDARY", "AXIAL", "SYNTHETIC"]
    image.SyntheticData = "YES"
    image.SeriesInstanceUID = result_uid(series, "ct", syn.model)
    image.SeriesNumber = series_number(source, ROLE)
    image.SeriesDescription = f"Syn-CECT {SYNTHETIC}"
    image.InstanceNumber = number
    image.FrameOfReferenceUID = series.frame_of_reference_uid
    image.SeriesDate, image.SeriesTime = image.ContentDate, image.ContentTime = source_time(source)
    image.InstanceCreationDate, image.InstanceCreationTime = source_time(source)
    image.Manufacturer, image.ManufacturerModelName = MANUFACTURER, MODEL_NAME
    image.SoftwareVersions, image.DeviceSerialNumber = __version__, syn.model.digest[:16]
    image.BurnedInAnnotation = "NO"
    image.ContributingEquipmentSequence = contributing_equipment(syn.model)
    for keyword in STILL_TRUE:
        if source.get(keyword) not in (None, ""):
            image[keyword] = source[keyword]
    for keyword in ("KVP", "AcquisitionNumber", "PositionReferenceIndicator"):
        if keyword not in image:
            setattr(image, keyword, "" if keyword == "PositionReferenceIndicator" else None)
    _derivation(image, syn, source, plane)
    _pixels(image, source, plane)
    return image


def _derivation(image: Dataset, syn: SynCect, source: Dataset, plane: Slice) -> None:
    image.DerivationDescription = (
        f"Synthetic contrast enhancement computed from a non-contrast CT by PulmoMAP {syn.model.name} "
        f"{syn.model.version}; no contrast agent was given. {syn.model.trained_on}"
    )[:1024]
    image.ImageComments = f"{SYNTHETIC}. Research use."
    # The enhancement that the network predicts is added to the source, pixel by pixel.
    image.DerivationCodeSequence = [_code(codes.DCM.PixelByPixelAddition)]
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    if int(source.get("NumberOfFrames") or 1) > 1:
        reference.ReferencedFrameNumber = plane.frame + 1
    reference.PurposeOfReferenceCodeSequence = [_code(codes.DCM.SourceImageForImageProcessingOperation)]
    image.SourceImageSequence = [reference]


def _code(concept: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = concept.value, concept.scheme_designator
    item.CodeMeaning = concept.meaning
    return item


def _pixels(image: Dataset, source: Dataset, plane: Slice) -> None:
    geometry = {
        "ImagePositionPatient": [_decimal(value) for value in plane.position],
        "ImageOrientationPatient": [_decimal(value) for value in plane.orientation],
        "PixelSpacing": [_decimal(value) for value in plane.pixel_spacing],
        "SliceThickness": _decimal(plane.thickness) if plane.thickness is not None else "",
    }
    for keyword, value in geometry.items():
        # The source's own decimal strings, where it has them: a number read and written again may differ in a digit.
        if keyword in source:
            image[keyword] = source[keyword]
        else:
            setattr(image, keyword, value)
    image.Rows, image.Columns = plane.rows, plane.columns
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
    image.RescaleIntercept, image.RescaleSlope, image.RescaleType = "0", "1", "HU"
    image.WindowCenter, image.WindowWidth = ["100", "40"], ["700", "400"]
    image.WindowCenterWidthExplanation = ["CONTRAST", "SOFT TISSUE"]


def _decimal(value: float) -> str:
    """The shortest decimal string of at most 16 characters that reads back as the same number, or the nearest."""
    text = repr(float(value))
    return text if len(text) <= 16 else next(t for t in (f"{value:.{n}g}" for n in range(15, 0, -1)) if len(t) <= 16)
