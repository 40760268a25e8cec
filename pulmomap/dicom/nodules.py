"""Where are the nodules of a series? Objects of its study say so, or the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from highdicom.volume import VolumeGeometry
from pydantic import BaseModel, ConfigDict, Field
from pydicom import Dataset, dcmread
from pydicom.uid import RTStructureSetStorage

from pulmomap.case import Nodule, SelectedSeries
from pulmomap.dicom.header import is_own_output, quiet_parser, text
from pulmomap.dicom.nodule_rtstruct import read_structure_set
from pulmomap.dicom.nodule_seg import read_segmentation
from pulmomap.dicom.nodule_sr import read_report
from pulmomap.dicom.nodule_trust import Claim, DistrustError, Points, Target
from pulmomap.dicom.provenance import derive_uid
from pulmomap.refusals import Flag

_ORDER = ("DICOM SEG", "RTSTRUCT", "TID 1500 SR")
_SAME_MM = 3.0
"""Two centres nearer than this are one nodule even if neither has a diameter."""


class GivenNodule(BaseModel):
    """A nodule that the settings name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    centre_lps: tuple[float, float, float] = Field(description="centre, LPS mm, in the frame of the series")
    diameter_mm: float | None = Field(None, gt=0, le=300, description="diameter, mm, if it is known")
    label: str = Field("", max_length=64, description="name on pictures and in the SR; numbered if empty")


@dataclass(frozen=True)
class NoduleSearch:
    """What is known about the nodules of a series.

    Attributes:
        nodules: each counted once, those of SEG first, then RTSTRUCT, SR and settings.
        flags: NO_NODULE, NODULE_SOURCE_REFUSED.
        notes: sentences about what was not trusted or was counted once.
    """

    nodules: tuple[Nodule, ...]
    flags: tuple[Flag, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    claim: Claim
    source: str
    label: str = ""
    sop: tuple[str, str] | None = None


def find_nodules(
    series: SelectedSeries, volume_geometry: VolumeGeometry, given: Sequence[GivenNodule] = ()
) -> NoduleSearch:
    """Collect the nodules of a series from the objects of its study and from the settings.

    An object is believed if it lies in the series' frame of reference, names no other series as its ground, and lies
    inside the volume; otherwise it is left out with a note and a flag. The same nodule from two sources is taken from
    the first.

    Args:
        series: as selected, with its companions.
        volume_geometry: the grid of its volume.
        given: nodules of the settings.
    """
    target = Target(series, volume_geometry)
    answers = [_read(path, header, source, target) for path, header, source in _companions(series)]
    answers += [_given(nodule, number, target) for number, nodule in enumerate(given, start=1)]
    found = [one for answer in answers if not isinstance(answer, str) for one in answer]
    refused = [answer for answer in answers if isinstance(answer, str)]
    distinct, notes = _distinct(found)
    nodules = tuple(_nodule(one, number, series) for number, one in enumerate(distinct, start=1))
    flags = [Flag.NODULE_SOURCE_REFUSED] if refused else []
    return NoduleSearch(nodules, tuple(flags if nodules else [*flags, Flag.NO_NODULE]), (*refused, *notes))


def _companions(series: SelectedSeries) -> list[tuple[Path, Dataset, str]]:
    """The readable companions that are not our own, with the name of their kind, in the order of precedence."""
    headers = []
    for path in series.companions:
        with quiet_parser():
            header = dcmread(path, stop_before_pixels=True, force=True)
        if not is_own_output(header):
            headers.append((path, header, _kind(header)))
    return sorted(headers, key=lambda one: (_ORDER.index(one[2]), text(one[1], "SOPInstanceUID")))


def _kind(header: Dataset) -> str:
    if text(header, "SOPClassUID") == RTStructureSetStorage:
        return "RTSTRUCT"
    return "DICOM SEG" if text(header, "Modality") == "SEG" else "TID 1500 SR"


def _read(path: Path, header: Dataset, source: str, target: Target) -> list[_Found] | str:
    """What an object says, or the sentence that says why it is not believed."""
    sop = (text(header, "SOPClassUID"), text(header, "SOPInstanceUID"))
    try:
        return [_Found(claim, source, sop=sop) for claim in _claims(path, header, source, target)]
    except DistrustError as distrust:
        reason = str(distrust)
    except Exception as error:  # somebody else's object provokes anything in the parsers
        reason = f"cannot be read ({type(error).__name__})"
    return f"{source} {sop[1]} {reason}: its nodules were not used"


def _claims(path: Path, header: Dataset, source: str, target: Target) -> tuple[Claim, ...]:
    if source == "DICOM SEG":
        return read_segmentation(path, header, target)
    return read_structure_set(header, target) if source == "RTSTRUCT" else read_report(header, target)


def _given(nodule: GivenNodule, number: int, target: Target) -> list[_Found] | str:
    centre: Points = np.array(nodule.centre_lps)
    try:
        target.require_inside(centre[None, :])
    except DistrustError as distrust:
        return f"nodule {number} of the settings {distrust}: it was not used"
    return [_Found(Claim(centre, nodule.diameter_mm, None), "settings", label=nodule.label)]


def _distinct(found: Sequence[_Found]) -> tuple[list[_Found], list[str]]:
    distinct: list[_Found] = []
    notes: list[str] = []
    for one in found:
        first = next((other for other in distinct if _same(other.claim, one.claim)), None)
        if first is None:
            distinct.append(one)
        else:
            notes.append(f"a nodule from {one.source} is the one from {first.source} and was counted once")
    return distinct, notes


def _same(one: Claim, other: Claim) -> bool:
    if one.tracking_uid is not None and one.tracking_uid == other.tracking_uid:
        return True
    radius = max(one.diameter or 0.0, other.diameter or 0.0) / 2
    return float(np.linalg.norm(one.centre - other.centre)) <= max(radius, _SAME_MM)


def _nodule(found: _Found, number: int, series: SelectedSeries) -> Nodule:
    x, y, z = (float(one) for one in found.claim.centre)
    return Nodule(
        label=found.label or f"Nodule {number}",
        centre=(x, y, z),
        diameter=found.claim.diameter,
        source=found.source,
        tracking_uid=found.claim.tracking_uid
        or derive_uid("nodule", series.series_uid, found.source, f"{x:.2f} {y:.2f} {z:.2f}"),
        source_sop=found.sop,
    )
