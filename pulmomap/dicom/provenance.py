"""Where a result comes from: UIDs, dates, equipment, algorithm. The same input gives the same bytes.

Nothing here reads the clock or draws a random number. Dates and times are those of the source images; UIDs are derived
from the job (series UID and the set of its instances) and the weights that took part.
"""

from __future__ import annotations

import hashlib

from highdicom import AlgorithmIdentificationSequence
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian

from pulmomap import __version__
from pulmomap.case import ModelIdentity, SelectedSeries

MANUFACTURER = "PulmoMAP"
MODEL_NAME = "PulmoMAP"
CREATOR = "PulmoMAP^Algorithm"
SYNTHETIC = "SYNTHETIC - not for diagnosis"
# 2.25 + the SHA-256 based number of this name: who wrote the file, in every file the same.
IMPLEMENTATION_NAME = "PULMOMAP"

# DICOM PS3.3 C.7.1.1 and C.7.2.1/C.7.2.2: what a new series of an old study repeats. Type 2 attributes may be empty.
PATIENT_AND_STUDY_TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)
PATIENT_AND_STUDY_TYPE_3 = (
    "SpecificCharacterSet",
    "TimezoneOffsetFromUTC",
    "IssuerOfPatientID",
    "OtherPatientIDs",
    "PatientComments",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "StudyDescription",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
)


def derive_uid(*parts: str) -> str:
    """A UID that the same parts always give (DICOM PS3.5 B.2: 2.25. and a number of 128 bits)."""
    return f"2.25.{int.from_bytes(hashlib.sha256('|'.join(parts).encode()).digest()[:16], 'big')}"


def result_uid(series: SelectedSeries, role: str, *models: ModelIdentity) -> str:
    """The UID of a result: of the job, the application, the weights and the part it plays."""
    return derive_uid(series.key, __version__, *(model.digest for model in models), role)


def series_number(header: Dataset, role: int) -> int:
    """The source's series number with two digits appended, so that results sort beside it; 9000 + role without one."""
    source = header.get("SeriesNumber")
    if source is None or not 0 <= int(source) < 10_000:
        return 9000 + role
    return int(source) * 100 + role


def source_time(header: Dataset) -> tuple[str, str]:
    """Date and time (DA, TM) of the source, from the nearest attribute that has them; an epoch where none has."""
    for stem in ("Content", "Acquisition", "Series", "Study"):
        date, time = str(header.get(f"{stem}Date") or ""), str(header.get(f"{stem}Time") or "")
        if date:
            return date, time or "000000"
    return "19000101", "000000"


def copy_patient_and_study(header: Dataset, target: Dataset) -> None:
    """Repeat who and which study it is, exactly as the source says it; never invent a value."""
    for keyword in PATIENT_AND_STUDY_TYPE_3:
        if header.get(keyword) not in (None, ""):
            target[keyword] = header[keyword]
    for keyword in PATIENT_AND_STUDY_TYPE_2:
        if keyword in header:
            target[keyword] = header[keyword]
        else:
            setattr(target, keyword, "")
    target.StudyInstanceUID = header.StudyInstanceUID


def set_source_times(result: Dataset, header: Dataset) -> None:
    """Replace every date and time that was read from the clock by the source's."""
    date, time = source_time(header)
    result.ContentDate, result.ContentTime = date, time
    result.InstanceCreationDate, result.InstanceCreationTime = date, time
    result.SeriesDate, result.SeriesTime = date, time
    for item in result.get("ContributingEquipmentSequence", ()):
        item.pop("ContributionDateTime", None)


def file_meta(sop_class: str, sop_instance: str) -> FileMetaDataset:
    """The file meta information of a result (DICOM PS3.10 7.1)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(sop_instance)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(derive_uid("implementation"))
    meta.ImplementationVersionName = IMPLEMENTATION_NAME
    return meta


def algorithm(model: ModelIdentity) -> AlgorithmIdentificationSequence:
    """The network that made a result, with the weights' hash (DICOM PS3.3 10.16)."""
    return AlgorithmIdentificationSequence(
        name=f"PulmoMAP {model.name}",
        family=codes.DCM.ArtificialIntelligence,
        version=model.version,
        source=MANUFACTURER,
        parameters={"weights-sha256": model.digest},
    )


def contributing_equipment(*models: ModelIdentity) -> list[Dataset]:
    """The application and each network as equipment that contributed (DICOM PS3.3 C.12.1)."""
    items = []
    for model in models:
        item = Dataset()
        purpose = Dataset()
        purpose.CodeValue, purpose.CodingSchemeDesignator = "109102", "DCM"
        purpose.CodeMeaning = "Processing Equipment"
        item.PurposeOfReferenceCodeSequence = [purpose]
        item.Manufacturer = MANUFACTURER
        item.ManufacturerModelName = f"PulmoMAP {model.name}"
        item.SoftwareVersions = [__version__, model.version]
        item.ContributionDescription = f"weights sha256 {model.digest}"
        items.append(item)
    return items
