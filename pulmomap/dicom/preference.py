"""Of several reconstructions of one scan, which suits the networks best?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulmomap.case import SelectedSeries
from pulmomap.dicom.eligibility import kernel_of, thickness_of
from pulmomap.dicom.geometry import SliceStack
from pulmomap.dicom.rules import SelectionRules

_SAME_SCAN = 0.5
"""Two series show the same scan if they share this part of the shorter one's length."""


@dataclass(frozen=True)
class Candidate:
    """An eligible series and its grid."""

    series: SelectedSeries
    stack: SliceStack


def split_by_preference(
    candidates: Sequence[Candidate], rules: SelectionRules
) -> tuple[list[Candidate], list[tuple[Candidate, Candidate]]]:
    """Keep the best reconstruction of each scan.

    Thin slices come before the kernel (a vessel between slices is lost, noise is not), then the kernel, then the
    spacing nearest to the networks' own, the longer scan, and the UID, so that the choice is always the same.

    Returns:
        The kept candidates, and pairs of (candidate not kept, the one kept instead); both in the order given.
    """
    winner: dict[str, Candidate] = {}
    kept: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda one: _rank(one, rules)):
        better = next((one for one in kept if _same_scan(one, candidate)), None)
        if better is None:
            kept.append(candidate)
        else:
            winner[candidate.series.key] = better
    return (
        [one for one in candidates if one.series.key not in winner],
        [(one, winner[one.series.key]) for one in candidates if one.series.key in winner],
    )


def _rank(one: Candidate, rules: SelectionRules) -> tuple[bool, int, float, float, str]:
    first, last = one.stack.extent
    return (
        thickness_of(one.stack) > rules.flag_spacing_mm,
        rules.kernel_order.index(kernel_of(one.series.instances[0].header)),
        abs(one.stack.spacing - rules.preferred_spacing_mm),
        first - last,
        one.series.series_uid,
    )


def _same_scan(one: Candidate, other: Candidate) -> bool:
    if (one.series.study_uid, one.series.frame_of_reference_uid) != (
        other.series.study_uid,
        other.series.frame_of_reference_uid,
    ):
        return False
    # Compared along the patient's long axis: slices may be stacked either way.
    (low, high), (other_low, other_high) = _along_patient(one.stack), _along_patient(other.stack)
    shared = min(high, other_high) - max(low, other_low)
    return shared >= _SAME_SCAN * min(high - low, other_high - other_low)


def _along_patient(stack: SliceStack) -> tuple[float, float]:
    low, high = stack.extent
    return (low, high) if stack.affine[2, 0] >= 0 else (-high, -low)
