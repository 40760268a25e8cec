"""What lies in Orthanc: series, studies, their instances and sizes."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.orthanc import Orthanc
from pulmomap.dicom.header import OWN_NAME
from pulmomap.dicom.selection import series_key


@dataclass(frozen=True)
class SpooledSeries:
    """A series in Orthanc.

    Attributes:
        id, study: Orthanc ids of the series and its study.
        uid: Series Instance UID. Data for comparisons, never part of a path.
        modality, manufacturer: as Orthanc knows them; "" where the tags are missing.
        instances: Orthanc ids of the instances, sorted.
        stable: nothing arrived for Orthanc's StableAge.
        updated: Orthanc's moment of the last change of its extent.
    """

    id: str
    study: str
    uid: str
    modality: str
    manufacturer: str
    instances: tuple[str, ...]
    stable: bool
    updated: str

    @property
    def is_own(self) -> bool:
        """Whether its header says that this application made it."""
        return OWN_NAME.lower() in self.manufacturer.lower()


def find_series(orthanc: Orthanc, series: str) -> SpooledSeries | None:
    """A series by its Orthanc id; None if it is gone."""
    found = orthanc.get(f"/series/{series}")
    if found is None:
        return None
    tags = found["MainDicomTags"]
    return SpooledSeries(
        id=series,
        study=found["ParentStudy"],
        uid=tags.get("SeriesInstanceUID", ""),
        modality=tags.get("Modality", "").strip(),
        manufacturer=tags.get("Manufacturer", ""),
        instances=tuple(sorted(found["Instances"])),
        stable=bool(found["IsStable"]),
        updated=found["LastUpdate"],
    )


def series_of_study(orthanc: Orthanc, study: str) -> tuple[str, ...]:
    """Orthanc ids of the series of a study, sorted."""
    found = orthanc.get(f"/studies/{study}")
    return tuple(sorted(found["Series"])) if found else ()


def study_is_stable(orthanc: Orthanc, study: str) -> bool:
    """Whether nothing arrived for any series of the study for Orthanc's StableAge."""
    found = orthanc.get(f"/studies/{study}")
    return bool(found and found["IsStable"])


def key_of(orthanc: Orthanc, series: SpooledSeries) -> str:
    """The identity of the job that the series is at this moment (see :func:`pulmomap.dicom.selection.series_key`)."""
    found = orthanc.get(f"/series/{series.id}/instances") or []
    return series_key(series.uid, (one["MainDicomTags"].get("SOPInstanceUID", "") for one in found))


def bytes_of(orthanc: Orthanc, series: str) -> int:
    """Size of the files of a series, decompressed by Orthanc if it stores them compressed; 0 if it is gone."""
    found = orthanc.get(f"/series/{series}/statistics")
    return int(found["UncompressedSize"]) if found else 0
