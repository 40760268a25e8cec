"""Where a result comes from: identity, time and equipment. The same input gives the same bytes.

Nothing here reads the clock or draws a random number. UIDs are functions of the input and the models, dates and times
are those of the source.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from enum import IntEnum

from highdicom import AlgorithmIdentificationSequence
from highdicom.sr import CodedConcept
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from pulmomap import __version__
from pulmomap.case import ModelIdentity, SelectedSeries
from pulmomap.dicom.codes import ACQUISITION_EQUIPMENT, ARTIFICIAL_INTELLIGENCE, PROCESSING_EQUIPMENT
from pulmomap.dicom.header import OWN_NAME, integer, text

SYNTHETIC_TEXT = "SYNTHETIC - not for diagnosis"
RESEARCH_TEXT = "Research use only, not for clinical decisions."
CREATOR_NAME = f"{OWN_NAME}^Algorithm"

_LARGEST_SERIES_NUMBER = 2**31 - 1  # of an integer string, DICOM PS3.5 6.2
_UNKNOWN_MOMENT = ("19000101", "000000")
_DATE = re.compile(r"\d{8}")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?")


class Role(IntEnum):
    """What a result is. The value goes into the series number."""

    SYN_CECT = 1
    VESSELS = 2
    MEASUREMENTS = 3


def derive_uid(*parts: str) -> str:
    """A UID that the same parts always give: 2.25. and 128 bits of their SHA-256 (DICOM PS3.5 B.2).

    Parts are joined by a character that none may hold, so that ("a", "bc") and ("ab", "c") differ.
    """
    joined = "\0".join(parts)
    if joined.count("\0") != len(parts) - 1:
        raise ValueError("a part of a UID must not hold a null character")
    return f"2.25.{int.from_bytes(hashlib.sha256(joined.encode()).digest()[:16], 'big')}"


def result_uid(series: SelectedSeries, models: Iterable[ModelIdentity], role: Role, *parts: str) -> str:
    """The UID of a result: of its input, the weights, the settings and the software, never of its pixels.

    The pixels differ by rounding between CPU and GPU; the same scan processed again elsewhere is the same result.

    Args:
        series: the input.
        models: every network that took part.
        role: what the result is.
        *parts: what else makes a different result (layout, slice number, nodules).
    """
    made_by = (part for model in models for part in (model.digest, model.settings))
    return derive_uid(series.key, __version__, *made_by, role.name, *parts)


def series_number(header: Dataset, role: Role) -> int:
    """The source's series number with two digits for the role, so that results sort beside it; else 9000 + role."""
    source = integer(header, "SeriesNumber")
    if source is None or not 0 < source <= _LARGEST_SERIES_NUMBER // 100 - 1:
        return 9000 + role
    return source * 100 + role


def moment(header: Dataset) -> tuple[str, str]:
    """Date (DA) and time (TM) of the source: of its content, acquisition, series or study, the first that is stated.

    A date without a time gets midnight. A source without any date gets 1 January 1900, as results must have one.
    """
    for stem in ("Content", "Acquisition", "Series", "Study"):
        date, time = text(header, f"{stem}Date"), text(header, f"{stem}Time")
        if _DATE.fullmatch(date):
            return date, time if _TIME.fullmatch(time) else _UNKNOWN_MOMENT[1]
    return _UNKNOWN_MOMENT


def set_moment(result: Dataset, header: Dataset) -> None:
    """Set every date and time of a result to the source's; drop the optional ones, which would tell the clock."""
    date, time = moment(header)
    result.SeriesDate = result.ContentDate = date
    result.SeriesTime = result.ContentTime = time
    for keyword in ("InstanceCreationDate", "InstanceCreationTime"):
        if keyword in result:
            delattr(result, keyword)


def set_equipment(result: Dataset, header: Dataset, models: Iterable[ModelIdentity]) -> None:
    """Say what made a result: this software, the networks with their weights, and the scanner (PS3.3 C.7.5, C.12.1)."""
    models = tuple(models)
    result.Manufacturer, result.ManufacturerModelName = OWN_NAME, OWN_NAME
    result.SoftwareVersions = __version__
    result.DeviceSerialNumber = models[-1].digest[:16]
    result.ContributingEquipmentSequence = [*(_network(model) for model in models), *_scanner(header)]
    result.ContentQualification = "RESEARCH"


def algorithm_name(model: ModelIdentity) -> str:
    """The name of a network in results."""
    return f"{OWN_NAME} {model.name}"


def algorithm_identification(model: ModelIdentity) -> AlgorithmIdentificationSequence:
    """Which network made a segment (DICOM PS3.3 10.16)."""
    return AlgorithmIdentificationSequence(
        name=algorithm_name(model),
        family=ARTIFICIAL_INTELLIGENCE,
        version=model.version,
        source=OWN_NAME,
        parameters={"weights-sha256": model.digest},
    )


def file_meta(result: Dataset) -> FileMetaDataset:
    """The file meta information of a result (DICOM PS3.10 7.1), in every file the same but for its own UIDs."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = result.SOPClassUID
    meta.MediaStorageSOPInstanceUID = result.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(derive_uid("implementation class", OWN_NAME))
    meta.ImplementationVersionName = f"PULMOMAP_{__version__}"[:16]
    return meta


def _network(model: ModelIdentity) -> Dataset:
    item = _equipment(PROCESSING_EQUIPMENT, OWN_NAME)
    item.ManufacturerModelName = algorithm_name(model)[:64]
    item.SoftwareVersions = [__version__, model.version]
    item.ContributionDescription = f"Weights SHA-256 {model.digest}. {model.trained_on}"[:1024]
    return item


def _scanner(header: Dataset) -> list[Dataset]:
    manufacturer = text(header, "Manufacturer")
    if not manufacturer:
        return []
    item = _equipment(ACQUISITION_EQUIPMENT, manufacturer)
    if text(header, "ManufacturerModelName"):
        item.ManufacturerModelName = text(header, "ManufacturerModelName")
    return [item]


def _equipment(purpose: CodedConcept, manufacturer: str) -> Dataset:
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [purpose]
    item.Manufacturer = manufacturer
    return item
