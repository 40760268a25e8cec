"""The scans of a phantom as DICOM CT series (PS3.3 A.3)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from highdicom import Volume
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from pulmomap import __version__
from pulmomap.phantom.population import Scan
from pulmomap.phantom.thorax import BreathingScan, Phantom

DATE, TIME = "20200101", "120000"
KERNELS = {"soft": "SOFT", "standard": "STANDARD", "lung": "LUNG"}


@dataclass(frozen=True)
class Series:
    """One scan to be written.

    Attributes:
        phantom: whose it is.
        name: of the folder. number, description: DICOM. contrast: whether it was given.
        volume: int16 HU. scan: the scanner's setting.
    """

    phantom: Phantom
    name: str
    number: int
    description: str
    contrast: bool
    volume: Volume
    scan: Scan

    def uid(self, *parts: object) -> str:
        """A UID that seed, grid and series decide."""
        return uid(self.phantom, self.name, self.volume.affine.tolist(), *parts)


def uid(phantom: Phantom, *parts: object) -> str:
    """A UID that the seed and the grid decide."""
    return str(
        generate_uid(entropy_srcs=["phantom", str(phantom.seed), str(phantom.ncct.affine.tolist()), *map(str, parts)])
    )


def series_of(phantom: Phantom, breathing: BreathingScan | None = None) -> dict[str, Series]:
    """The series of a study by name, as they would have been scanned."""
    listed = [
        Series(phantom, "ncct", 2, "Chest without contrast (phantom)", False, phantom.ncct, phantom.scan),
        Series(phantom, "vnc", 3, "Virtual non-contrast (phantom)", True, phantom.vnc, phantom.scan),
        Series(phantom, "cect", 4, "Chest with contrast (phantom)", True, phantom.cect, phantom.scan),
    ]
    if breathing is not None:
        description = "Chest without contrast, other breath level (phantom)"
        listed.append(Series(phantom, "ncct_breathing", 6, description, False, breathing.ncct, breathing.scan))
    return {series.name: series for series in listed}


def write_series(series: Series, folder: Path) -> None:
    """Write CT Image Storage, one file a slice."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(series.volume.spatial_shape[0]):
        image = slice_header(series, index)
        image.PixelData = np.ascontiguousarray(series.volume.array[index].astype("<i2")).tobytes()
        image.save_as(folder / f"{index + 1:04d}.dcm", enforce_file_format=True)


def slice_header(series: Series, index: int) -> Dataset:
    """The CT image of one slice without its pixels (DICOM PS3.3 A.3)."""
    phantom, volume = series.phantom, series.volume
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.MediaStorageSOPClassUID = CTImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = UID(series.uid(index))
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    _patient_and_study(image, phantom)
    image.SOPClassUID = CTImageStorage
    image.SOPInstanceUID = series.uid(index)
    image.Modality = "CT"
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.SeriesInstanceUID = series.uid()
    image.SeriesNumber, image.SeriesDescription = series.number, series.description
    image.SeriesDate = image.AcquisitionDate = image.ContentDate = DATE
    image.SeriesTime = image.AcquisitionTime = image.ContentTime = TIME
    image.InstanceNumber, image.AcquisitionNumber = index + 1, series.number
    image.FrameOfReferenceUID, image.PositionReferenceIndicator = str(volume.frame_of_reference_uid), ""
    image.BodyPartExamined, image.PatientPosition = "CHEST", "HFS"
    image.Manufacturer, image.ManufacturerModelName = "Procedural phantom", "Thorax phantom"
    image.SoftwareVersions, image.DeviceSerialNumber = __version__, str(phantom.seed)
    image.KVP, image.ConvolutionKernel = "120", KERNELS[series.scan.kernel]
    if series.contrast:
        image.ContrastBolusAgent = "Iodine (phantom)"
    image.SliceThickness = f"{series.scan.slice_width:.6g}"
    _geometry(image, volume, index)
    return image


def _patient_and_study(image: Dataset, phantom: Phantom) -> None:
    image.PatientName, image.PatientID = f"PHANTOM^SEED {phantom.seed}", f"PHANTOM-{phantom.seed}"
    image.PatientBirthDate, image.PatientSex = "", "M" if phantom.patient.male else "F"
    image.PatientAge = f"{round(phantom.patient.age):03d}Y"
    image.StudyInstanceUID, image.StudyID = uid(phantom, "study"), "1"
    image.StudyDate, image.StudyTime, image.StudyDescription = DATE, TIME, "Procedural thorax phantom"
    image.AccessionNumber = image.ReferringPhysicianName = ""


def _geometry(image: Dataset, volume: Volume, index: int) -> None:
    _, row, column = volume.spacing
    position = volume.affine @ (index, 0, 0, 1)
    image.ImagePositionPatient = [f"{value:.10g}" for value in position[:3]]
    image.ImageOrientationPatient = [
        f"{value:.10g}" for value in (*volume.unit_vectors()[2], *volume.unit_vectors()[1])
    ]
    image.PixelSpacing = [f"{row:.10g}", f"{column:.10g}"]
    image.Rows, image.Columns = volume.spatial_shape[1:]
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
    image.RescaleIntercept, image.RescaleSlope, image.RescaleType = "0", "1", "HU"
    image.WindowCenter, image.WindowWidth = "40", "400"
