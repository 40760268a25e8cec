"""Small CT series, each of a patient of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dicom_factory import UID_ROOT, ct_series
from pydicom import Dataset


def made_series(folder: Path, number: int = 0, slices: int = 6, study: int | None = None, **options: Any) -> list[Path]:
    """Write an eligible series of slices of 8 x 10 pixels; another number is another patient, study and series."""
    study = number if study is None else study

    def identify(index: int, dataset: Dataset) -> None:
        dataset.SOPInstanceUID = f"{UID_ROOT}9.{number}.{index + 1}"

    identity = {
        "PatientID": f"CANARY-ID-{study}",
        "StudyInstanceUID": f"{UID_ROOT}7.{study}",
        "SeriesInstanceUID": f"{UID_ROOT}8.{number}",
        "FrameOfReferenceUID": f"{UID_ROOT}6.{study}",
    }
    return ct_series(folder, shape=(slices, 8, 10), edit=identify, **{**identity, **options})
