"""Which non-contrast and which contrast series of a site belong together, and to whom."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from pulmomap.case import SelectedSeries
from pulmomap.dicom.header import text
from pulmomap.dicom.index import index_folder
from pulmomap.dicom.selection import SelectionRules, select
from training.store import StoreError

CONTRAST_RULES = SelectionRules(refuse_contrast_tags=False)
# A virtual non-contrast series is derived, and its tags speak of the contrast of its acquisition.
NON_CONTRAST_RULES = SelectionRules(
    refuse_contrast_tags=False, excluded_image_types=CONTRAST_RULES.excluded_image_types - {"VNC", "MATERIAL"}
)
COLUMNS = ("patient", "non_contrast", "contrast")


@dataclass(frozen=True)
class Pair:
    """Two series of one patient.

    Attributes:
        patient: who it is; decides the side of the split, and is neither stored nor printed.
        non_contrast, contrast: VNC or NCCT, and CECT.
    """

    patient: str
    non_contrast: SelectedSeries
    contrast: SelectedSeries


def place(series: SelectedSeries) -> Path:
    """The folder of a series, for messages."""
    return series.instances[0].path.parent


def pairs_by_study(non_contrast: Path, contrast: Path) -> list[Pair]:
    """Pair the series of two folders that belong to the same study, as those of one spectral acquisition do.

    Raises:
        StoreError: a folder is missing or holds two series of one study, a pair has no or two PatientIDs, or there is
            no pair at all.
    """
    before, after = _series_by_study(non_contrast, NON_CONTRAST_RULES), _series_by_study(contrast, CONTRAST_RULES)
    for ours, theirs, other in ((before, after, contrast), (after, before, non_contrast)):
        for study in sorted(ours.keys() - theirs.keys()):
            print(f"{place(ours[study])} is left out: {other} has no usable series of its study", flush=True)
    common = [(before[study], after[study]) for study in sorted(before.keys() & after.keys())]
    pairs = [Pair(_patient_of(*both), *both) for both in common]
    if not pairs:
        raise StoreError(f"{non_contrast} and {contrast} have no study in common; list the pairs in a CSV (--patients)")
    return pairs


def pairs_by_table(non_contrast: Path, contrast: Path, table: Path) -> list[Pair]:
    """Pair what a CSV lists: one row a pair, columns ``patient``, ``non_contrast``, ``contrast``.

    Args:
        non_contrast, contrast: the folders to which those columns are relative.
        table: of the site; the patient may be any text that stands for one person.

    Raises:
        StoreError: a column or a value is missing, or a folder of the table holds no or several usable series.
    """
    with table.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        if missing := set(COLUMNS) - set(reader.fieldnames or ()):
            raise StoreError(f"{table} has no column {', '.join(sorted(missing))}; its first line must name {COLUMNS}")
        rows = list(reader)
    pairs = []
    for line, row in enumerate(rows, start=2):
        if not all((row[column] or "").strip() for column in COLUMNS):
            raise StoreError(f"{table}, line {line}: a value is missing; fill in {', '.join(COLUMNS)}")
        before = only_series(non_contrast / row["non_contrast"].strip(), NON_CONTRAST_RULES)
        after = only_series(contrast / row["contrast"].strip(), CONTRAST_RULES)
        pairs.append(Pair(row["patient"].strip(), before, after))
    return pairs


def _series_by_study(folder: Path, rules: SelectionRules) -> dict[str, SelectedSeries]:
    found: dict[str, SelectedSeries] = {}
    for series in _usable(folder, rules):
        other = found.setdefault(series.study_uid, series)
        if other is not series:
            raise StoreError(f"{place(other)} and {place(series)} are two series of one study; leave one in {folder}")
    return found


def only_series(folder: Path, rules: SelectionRules) -> SelectedSeries:
    """The one usable CT series of a folder. Raises StoreError when there is none, or more."""
    found = _usable(folder, rules)
    if len(found) != 1:
        raise StoreError(f"{folder} holds {len(found)} usable CT series; a pair needs exactly one")
    return found[0]


def _usable(folder: Path, rules: SelectionRules) -> tuple[SelectedSeries, ...]:
    if not folder.is_dir():
        raise StoreError(f"there is no folder {folder}")
    selection = select(index_folder(folder), rules)
    for refused in selection.rejected:
        print(f"a series of {refused.files} files in {folder} is not used: {refused.detail}", flush=True)
    return selection.selected


def _patient_of(before: SelectedSeries, after: SelectedSeries) -> str:
    names = {text(instance.header, "PatientID") for series in (before, after) for instance in series.instances}
    if "" in names or len(names) != 1:
        many = "no" if "" in names else "more than one"
        raise StoreError(
            f"{place(before)} and {place(after)} have {many} PatientID; list the pairs in a CSV (--patients)"
        )
    return names.pop()
