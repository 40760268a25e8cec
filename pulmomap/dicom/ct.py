"""The Syn-CECT as a CT series: one CT Image Storage object for each source slice, in the source's own place.

Source: DICOM PS3.3 A.3 (CT Image IOD), C.7.6.1 (general image), C.8.2.1 (CT image), C.12.1 (SOP common).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import CTImageStorage

from pulmomap.case import SynCect
from pulmomap.dicom.codes import CONTRAST_SYNTHESIS, SOURCE_IMAGE, private_scheme
from pulmomap.dicom.frames import described
from pulmomap.dicom.patient_study import allow_text, copy_attributes, copy_patient_and_study
from pulmomap.dicom.provenance import (
    SYNTHETIC_TEXT,
    Role,
    algorithm_name,
    file_meta,
    result_uid,
    series_number,
    set_equipment,
    set_moment,
)
from pulmomap.dicom.sources import SourcePlane, copy_lossy_compression, decimals, source_planes

# How the scan under the synthetic enhancement was made, with the functional group of an enhanced CT that says so.
# Dose stays out: it was given once, and counting it twice is worse than not repeating it.
_STILL_TRUE = {
    "KVP": "CTXRayDetailsSequence",
    "ConvolutionKernel": "CTReconstructionSequence",
    "ReconstructionDiameter": "CTReconstructionSequence",
    "DataCollectionDiameter": "CTAcquisitionDetailsSequence",
    "GantryDetectorTilt": "CTAcquisitionDetailsSequence",
    "TableHeight": "CTAcquisitionDetailsSequence",
    "PatientPosition": "",
    "ProtocolName": "",
    "ScanOptions": "",
    "AcquisitionNumber": "",
    "AcquisitionDate": "",
    "AcquisitionTime": "",
    "PositionReferenceIndicator": "",
    "SliceLocation": "",
}
_TYPE_2 = ("KVP", "AcquisitionNumber", "PositionReferenceIndicator", "PatientPosition")
_WINDOWS = (("Contrast", 100, 700), ("Mediastinum", 40, 400), ("Lung", -600, 1500))
"""Explanation, centre and width (HU); viewers open with the first."""


def synthetic_ct(syn: SynCect) -> Iterator[Dataset]:
    """The images of the Syn-CECT with their pixels, in the order of the volume's slices.

    Stored values are HU. Every image says that it is synthetic (ImageType DERIVED, Synthetic Data YES, series
    description) and which image, network and weights it was made from; none claims that contrast agent was given.

    Raises:
        ValueError: if the volume does not lie on the series' grid or does not hold whole HU of 16 bits.
    """
    if syn.volume.dtype != np.int16:
        raise ValueError(f"a Syn-CECT holds int16 HU, not {syn.volume.dtype}")
    for number, source in enumerate(source_planes(syn.ncct.series, syn.volume), start=1):
        yield _image(syn, source, number, syn.volume.array[number - 1])


def _image(syn: SynCect, source: SourcePlane, number: int, hu: NDArray[np.int16]) -> Dataset:
    image = Dataset()
    copy_patient_and_study(source.header, image)
    _identify(image, syn, number)
    _derive(image, syn, source)
    _acquire(image, source)
    _place(image, source)
    _show(image, hu)
    image.file_meta = file_meta(image)
    return image


def _identify(image: Dataset, syn: SynCect, number: int) -> None:
    series, first = syn.ncct.series, syn.ncct.series.instances[0].header
    image.SOPClassUID = CTImageStorage
    image.SOPInstanceUID = result_uid(series, [syn.model], Role.SYN_CECT, "slice", str(number))
    image.SeriesInstanceUID = result_uid(series, [syn.model], Role.SYN_CECT)
    image.FrameOfReferenceUID = series.frame_of_reference_uid
    image.Modality = "CT"
    image.SeriesNumber, image.InstanceNumber = series_number(first, Role.SYN_CECT), number
    image.SeriesDescription = f"Syn-CECT {SYNTHETIC_TEXT}"
    set_moment(image, first)
    set_equipment(image, first, [syn.model])
    allow_text(image, syn.model.trained_on)


def _derive(image: Dataset, syn: SynCect, source: SourcePlane) -> None:
    image.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    image.SyntheticData = "YES"
    image.ImageComments = SYNTHETIC_TEXT
    image.BurnedInAnnotation = "NO"
    image.DerivationDescription = (
        f"Contrast enhancement synthesised from a non-contrast CT by {algorithm_name(syn.model)} {syn.model.version}; "
        f"no contrast agent was given. {syn.model.trained_on}"
    )[:1024]
    image.DerivationCodeSequence = [CONTRAST_SYNTHESIS]
    image.CodingSchemeIdentificationSequence = [private_scheme()]
    reference = source.reference()
    reference.PurposeOfReferenceCodeSequence = [SOURCE_IMAGE]
    image.SourceImageSequence = [reference]
    copy_lossy_compression(source.header, syn.ncct, image)


def _acquire(image: Dataset, source: SourcePlane) -> None:
    image.BodyPartExamined = "CHEST"
    for keyword, macro in _STILL_TRUE.items():
        # A legacy converted image keeps what has no functional group among the unassigned attributes (PS3.3 A.70).
        for place in (macro, "UnassignedSharedConvertedAttributesSequence"):
            holder = described(source.header, source.plane.frame, place) if place else source.header
            copy_attributes(holder, image, [keyword])
    for keyword in _TYPE_2:
        if keyword not in image:
            setattr(image, keyword, None)


def _place(image: Dataset, source: SourcePlane) -> None:
    plane = source.plane
    image.ImagePositionPatient = decimals(plane.position)
    image.ImageOrientationPatient = decimals(plane.orientation)
    image.PixelSpacing = decimals(plane.pixel_spacing)
    image.SliceThickness = None if plane.thickness is None else decimals([plane.thickness])[0]


def _show(image: Dataset, hu: NDArray[np.int16]) -> None:
    image.Rows, image.Columns = hu.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
    image.RescaleIntercept, image.RescaleSlope, image.RescaleType = "0", "1", "HU"
    image.WindowCenterWidthExplanation = [name for name, _, _ in _WINDOWS]
    image.WindowCenter = [str(centre) for _, centre, _ in _WINDOWS]
    image.WindowWidth = [str(width) for _, _, width in _WINDOWS]
    image.PixelData = hu.astype("<i2").tobytes()
