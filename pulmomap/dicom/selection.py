"""Which series of a folder are processed, and why the others are not."""

from __future__ import annotations

import filecmp
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    RTStructureSetStorage,
    SegmentationStorage,
)

from pulmomap.case import Instance, SelectedSeries
from pulmomap.dicom.eligibility import check_headers, check_volume, flags_of
from pulmomap.dicom.header import is_own_output, text
from pulmomap.dicom.index import FolderIndex, IndexedSeries, UnreadableFile
from pulmomap.dicom.preference import Candidate, split_by_preference
from pulmomap.dicom.rules import SelectionRules
from pulmomap.refusals import Refusal, Refused

__all__ = ["RejectedSeries", "Selection", "SelectionRules", "select", "series_key"]

_LABEL_MAP_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.7"
_NODULE_CLASSES = frozenset(
    {
        SegmentationStorage,
        _LABEL_MAP_SEGMENTATION,
        RTStructureSetStorage,
        EnhancedSRStorage,
        ComprehensiveSRStorage,
        Comprehensive3DSRStorage,
    }
)
"""Objects that may describe nodules."""


@dataclass(frozen=True)
class RejectedSeries:
    """A series that is not processed.

    Attributes:
        study_uid, series_uid: DICOM UIDs, "" where the header has none.
        code: the named reason.
        detail: one sentence with the facts, free of patient identifiers.
        files: how many files it has.
    """

    study_uid: str
    series_uid: str
    code: Refusal
    detail: str
    files: int


@dataclass(frozen=True)
class Selection:
    """The verdict on a folder.

    Attributes:
        selected: ordered by study UID, then series UID.
        rejected: in the same order.
        unreadable: files that belong to no series because they cannot be parsed.
    """

    selected: tuple[SelectedSeries, ...]
    rejected: tuple[RejectedSeries, ...]
    unreadable: tuple[UnreadableFile, ...]


def select(index: FolderIndex, rules: SelectionRules) -> Selection:
    """Judge every series of a folder by the rules. No pixel is read.

    Args:
        index: what lies in the folder.
        rules: the settings.
    """
    companions = _companions(index.series)
    verdicts = [_judge(series, companions[series.study_uid], rules) for series in index.series]
    candidates = [one for one in verdicts if isinstance(one, Candidate)]
    rejected = [one for one in verdicts if isinstance(one, RejectedSeries)]
    if rules.keep == "preferred":
        candidates, others = split_by_preference(candidates, rules)
        rejected += [_not_preferred(one, better) for one, better in others]
    return Selection(
        selected=tuple(one.series for one in candidates),
        rejected=tuple(sorted(rejected, key=lambda one: (one.study_uid, one.series_uid))),
        unreadable=index.unreadable,
    )


def series_key(series_uid: str, sop_uids: Iterable[str]) -> str:
    """The identity of a job: 16 hexadecimal digits of the SHA-256 of the series UID and its sorted SOP instance UIDs.

    A series that grew by late slices has another key; the same files in another order or place have the same.
    """
    return hashlib.sha256("\n".join([series_uid, *sorted(sop_uids)]).encode()).hexdigest()[:16]


def _judge(series: IndexedSeries, companions: tuple[Path, ...], rules: SelectionRules) -> Candidate | RejectedSeries:
    try:
        return _candidate(series, companions, rules)
    except Refused as refused:
        return RejectedSeries(series.study_uid, series.series_uid, refused.code, refused.detail, len(series.instances))


def _candidate(series: IndexedSeries, companions: tuple[Path, ...], rules: SelectionRules) -> Candidate:
    check_headers([one.header for one in series.instances], rules)
    instances, dropped = _without_copies(series.instances)
    stack = check_volume(instances, rules)
    ordered = tuple(instances[index] for index in dict.fromkeys(one.instance for one in stack.slices))
    selected = SelectedSeries(
        key=series_key(series.series_uid, (text(one.header, "SOPInstanceUID") for one in instances)),
        study_uid=series.study_uid,
        series_uid=series.series_uid,
        frame_of_reference_uid=stack.frame_of_reference_uid,
        instances=ordered,
        companions=companions,
        flags=flags_of(instances, stack, rules),
        notes=(f"{dropped} files were byte-identical copies of others and were left out",) if dropped else (),
    )
    return Candidate(selected, stack)


def _without_copies(instances: Sequence[Instance]) -> tuple[tuple[Instance, ...], int]:
    """Drop files that repeat another file byte for byte, as a second export of the same study does.

    Raises:
        Refused: DUPLICATE_POSITIONS if two files carry one SOP instance UID but different bytes.
    """
    kept: dict[str, Instance] = {}
    for index, instance in enumerate(instances):
        uid = text(instance.header, "SOPInstanceUID") or f"without UID {index}"
        first = kept.setdefault(uid, instance)
        if first is not instance and not filecmp.cmp(first.path, instance.path, shallow=False):
            raise Refused(
                Refusal.DUPLICATE_POSITIONS,
                f"two different files carry the SOP instance UID {uid}; send the series once, from one source",
            )
    return tuple(kept.values()), len(instances) - len(kept)


def _companions(series: Sequence[IndexedSeries]) -> dict[str, tuple[Path, ...]]:
    """By study UID: the files that may describe nodules, ordered by SOP instance UID."""
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    for instance, study_uid in ((one, group.study_uid) for group in series for one in group.instances):
        header = instance.header
        if text(header, "SOPClassUID") in _NODULE_CLASSES and not is_own_output(header):
            found[study_uid].setdefault(text(header, "SOPInstanceUID"), instance.path)
    return defaultdict(
        tuple, {study: tuple(path for _, path in sorted(paths.items())) for study, paths in found.items()}
    )


def _not_preferred(candidate: Candidate, better: Candidate) -> RejectedSeries:
    series = candidate.series
    detail = f"the series {better.series.series_uid} is another reconstruction of this scan and was taken"
    return RejectedSeries(series.study_uid, series.series_uid, Refusal.NOT_PREFERRED, detail, len(series.instances))
