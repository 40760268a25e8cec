"""Synthetic DICOM for tests: CT series of any geometry, written file by file as a scanner would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

UID_ROOT = "1.2.826.0.1.3680043.10.999."
STUDY_UID = UID_ROOT + "1"
SERIES_UID = UID_ROOT + "2"
FRAME_UID = UID_ROOT + "3"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

Edit = Callable[[int, Dataset], None]


def ct_series(
    folder: Path,
    *,
    shape: tuple[int, int, int] = (32, 8, 10),
    spacing: tuple[float, float, float] = (1.0, 0.7, 0.7),
    orientation: Sequence[float] = AXIAL,
    origin: Sequence[float] = (-100.0, -90.0, -300.0),
    hu: npt.ArrayLike | None = None,
    syntax: str = ExplicitVRLittleEndian,
    edit: Edit | None = None,
    names: Callable[[int], str] = "{:04d}.dcm".format,
    **overrides: Any,
) -> list[Path]:
    """Write a CT series, one file a slice.

    Args:
        folder: made if absent.
        shape: slices, rows, columns.
        spacing: mm between slices, between rows, between columns.
        orientation: Image Orientation (Patient); slices follow row direction x column direction.
        origin: Image Position (Patient) of the first slice, LPS mm.
        hu: array of ``shape`` or one value; a reproducible noise by default. Stored as int16 with intercept -1024.
        syntax: transfer syntax UID; the compressed ones that pydicom can encode too.
        edit: called with (slice number, data set) before a slice is written.
        names: file name of a slice number.
        **overrides: attributes of every slice by keyword; None removes one.

    Returns:
        The paths, in the order of the slices.
    """
    folder.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).integers(-1000, 400, shape) if hu is None else np.broadcast_to(hu, shape)
    along_row, along_column = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(along_row, along_column)
    paths = []
    for number in range(shape[0]):
        dataset = _slice(number, np.asarray(values[number]))
        dataset.ImagePositionPatient = [float(one) for one in np.array(origin) + number * spacing[0] * normal]
        dataset.ImageOrientationPatient = [float(one) for one in orientation]
        dataset.PixelSpacing = [spacing[1], spacing[2]]
        dataset.SliceThickness = spacing[0]
        for keyword, value in overrides.items():
            setattr(dataset, keyword, value)
            if value is None:
                delattr(dataset, keyword)
        if edit is not None:
            edit(number, dataset)
        paths.append(folder / names(number))
        save(dataset, paths[-1], syntax)
    return paths


def save(dataset: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> None:
    """Write a data set as a DICOM file."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if syntax == DeflatedExplicitVRLittleEndian:  # packed as a whole on its way to the file
        dataset.file_meta.TransferSyntaxUID = UID(syntax)
    elif syntax != ExplicitVRLittleEndian:
        dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)


def _slice(number: int, hu: npt.NDArray[Any]) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = f"{UID_ROOT}4.{number + 1}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY_UID, SERIES_UID
    dataset.FrameOfReferenceUID = FRAME_UID
    dataset.Modality = "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "Canary^Secret", "CANARY-ID", "19700101"
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20200101", "120000", "CANARY-ACC"
    dataset.PatientSex, dataset.StudyID, dataset.ReferringPhysicianName = "O", "", ""
    dataset.SeriesNumber, dataset.InstanceNumber, dataset.Manufacturer = 1, number + 1, "Test"
    dataset.ConvolutionKernel = "B30f"
    dataset.Rows, dataset.Columns = hu.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.PixelData = (hu + 1024).astype("<i2").tobytes()
    return dataset
