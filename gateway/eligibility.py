"""May a series become a job? Decided from tags, by the app's own rules, before a pixel is pulled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset

from gateway.faults import Fault
from gateway.headers import TagsUnreadable, parse_instances_tags
from gateway.orthanc import Orthanc, OrthancRefused, TooMuch
from gateway.sections import LimitSettings
from gateway.spool import SpooledSeries, bytes_of, find_series, series_of_study
from pulmomap.case import Instance
from pulmomap.dicom.header import integer
from pulmomap.dicom.index import FolderIndex, IndexedSeries
from pulmomap.dicom.rules import SelectionRules
from pulmomap.dicom.selection import select
from pulmomap.refusals import Refusal

_MIB = 1 << 20


@dataclass(frozen=True)
class Ineligible:
    """Why a series is not processed: the name of a :class:`Refusal` or :class:`Fault`, and one sentence."""

    code: str
    detail: str


def judge(orthanc: Orthanc, series: SpooledSeries, limits: LimitSettings, rules: SelectionRules) -> Ineligible | None:
    """Judge a series beside the other series of its study; None if it is to be processed.

    Raises:
        OrthancAway.
    """
    verdict = _at_a_glance(series, limits)
    if verdict is not None:
        return verdict
    headers = _headers(orthanc, series, limits)
    if isinstance(headers, Ineligible):
        return headers
    verdict = _by_rules(series, {series.id: headers}, rules)
    if verdict is not None or rules.keep == "all":
        return verdict
    return _by_rules(series, {series.id: headers, **_siblings(orthanc, series, limits)}, rules)


def _at_a_glance(series: SpooledSeries, limits: LimitSettings) -> Ineligible | None:
    """What the series' own entry in Orthanc already answers."""
    if series.is_own:
        return Ineligible(Refusal.DERIVED.name, "the objects were made by PulmoMAP itself")
    if series.modality and series.modality != "CT":
        return Ineligible(Refusal.NOT_CT.name, "the modality is not CT")
    if len(series.instances) > limits.instances:
        return _too_large(f"{len(series.instances)} files (limit {limits.instances})")
    return None


def _headers(orthanc: Orthanc, series: SpooledSeries, limits: LimitSettings) -> dict[str, Dataset] | Ineligible:
    size = bytes_of(orthanc, series.id)
    if size > limits.files_mib * _MIB:
        return _too_large(f"{size / _MIB:.0f} MiB of files (limit {limits.files_mib})")
    try:
        answer = orthanc.get_limited(f"/series/{series.id}/instances-tags", limits.tags_mib * _MIB)
        headers = parse_instances_tags(answer)
    except TooMuch:
        return _too_large(f"more than {limits.tags_mib} MiB of tags")
    except (TagsUnreadable, OrthancRefused) as error:
        return Ineligible(Fault.TAGS_UNREADABLE.name, f"the tags of the series cannot be read ({type(error).__name__})")
    pixels = sum(map(_declared_bytes, headers.values()))
    if pixels > limits.pixels_mib * _MIB:
        return _too_large(f"{pixels / _MIB:.0f} MiB of pixels (limit {limits.pixels_mib})")
    return headers


def _declared_bytes(header: Dataset) -> int:
    size = 1
    for keyword in ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel"):
        size *= max(integer(header, keyword) or 1, 1)
    return size * (max(integer(header, "BitsAllocated") or 16, 8) // 8)


def _too_large(what: str) -> Ineligible:
    return Ineligible(Fault.TOO_LARGE.name, f"the series has {what}")


def _siblings(orthanc: Orthanc, series: SpooledSeries, limits: LimitSettings) -> dict[str, Mapping[str, Dataset]]:
    """The other CT series of the study that can be judged: one of them may be the better reconstruction."""
    found: dict[str, Mapping[str, Dataset]] = {}
    for name in series_of_study(orthanc, series.study):
        other = find_series(orthanc, name)
        if other is None or other.id == series.id or _at_a_glance(other, limits) is not None:
            continue
        headers = _headers(orthanc, other, limits)
        if not isinstance(headers, Ineligible):
            found[name] = headers
    return found


def _by_rules(
    series: SpooledSeries, study: Mapping[str, Mapping[str, Dataset]], rules: SelectionRules
) -> Ineligible | None:
    """The app's own selection on an index made of tags. Its paths are names of our own and are never opened."""
    index = FolderIndex(
        root=Path(),
        series=tuple(
            IndexedSeries(
                study_uid=series.study,
                series_uid=name,
                instances=tuple(Instance(Path(instance), header) for instance, header in sorted(headers.items())),
            )
            for name, headers in study.items()
        ),
        unreadable=(),
        skipped=0,
    )
    for one in select(index, rules).rejected:
        if one.series_uid == series.id:
            return Ineligible(one.code.name, one.detail)
    return None
