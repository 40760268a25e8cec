"""Which cases there are to evaluate: a folder of case folders, a CSV table of cases, or a prepared store.

A case folder holds ``ncct`` and ``cect``, each a DICOM folder or a NIfTI file, and may hold labels, lungs and nodules
under the names of :data:`LAYOUT`. The folder that ``python -m training phantom`` writes is one.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.store import HELD_OUT, META, Case, case_folders, read_case

NIFTI = (".nii.gz", ".nii")
LAYOUT = {
    "ncct": ("ncct", "ncct.nii.gz", "ncct.nii"),
    "cect": ("cect", "cect.nii.gz", "cect.nii"),
    "labels": ("labels", "labels.nii.gz", "labels.nii", "labels.dcm", "truth/labels.nii.gz"),
    "lungs": ("lungs.nii.gz", "lungs.nii"),
    "nodules": ("nodules", "nodules.nii.gz", "nodules.nii", "nodules.json", "nodules.dcm", "seg", "truth/nodules.json"),
    "landmarks": ("landmarks.csv",),
}
"""Names inside a case folder, the first that is there counts."""

REQUIRED, OPTIONAL = ("case", "ncct", "cect"), ("labels", "lungs", "nodules", "landmarks")
"""Columns of a table of cases."""


class CaseError(ValueError):
    """A case, or a list of cases, that cannot be evaluated. The sentence names the case and what to do."""


class GridError(CaseError):
    """A part of a case that does not lie on the grid it should lie on. The sentence names both."""


@dataclass(frozen=True)
class CaseFiles:
    """Where the parts of one case lie. What is None was not given.

    Attributes:
        name: of the case, a pseudonym; the name of its result.
        ncct, cect: DICOM folder or NIfTI file.
        labels: NIfTI or DICOM SEG of PA and PV.
        lungs: NIfTI mask.
        nodules: DICOM objects (folder or file), NIfTI mask or JSON.
        landmarks: CSV of points that correspond, of a pair that is registered here.
    """

    name: str
    ncct: Path
    cect: Path
    labels: Path | None = None
    lungs: Path | None = None
    nodules: Path | None = None
    landmarks: Path | None = None

    @property
    def paths(self) -> list[Path]:
        every = (self.ncct, self.cect, self.labels, self.lungs, self.nodules, self.landmarks)
        return [path for path in every if path is not None]


Source = CaseFiles | Path
"""A case by its files, or a case folder of a store."""


def find_cases(given: Path) -> list[Source]:
    """The cases of a folder, of a CSV table or of a store, by name.

    Raises:
        CaseError: there is nothing to evaluate, the table lacks something, or a phantom may have been trained on.
    """
    if given.is_file():
        return _of_table(given)
    if not given.is_dir():
        raise CaseError(f"there are no cases at {given}; give a folder of cases, a CSV table or a store")
    folders = case_folders(given)
    stored: list[Source] = [folder for folder in folders if (folder / META).is_file()]
    if stored:
        return stored
    found: list[Source] = []
    for folder in folders:
        parts = {part: _first(folder, names) for part, names in LAYOUT.items()}
        if parts["ncct"] and parts["cect"]:
            found.append(CaseFiles(folder.name, parts["ncct"], parts["cect"], *(parts[key] for key in OPTIONAL)))
    if not found:
        raise CaseError(f"no folder in {given} holds ncct and cect (a DICOM folder or .nii.gz each)")
    return found


def stored_case(folder: Path) -> Case:
    """A case of a store, proved whole.

    Raises:
        StoreError: a file is damaged.
        CaseError: the phantom may have been trained on.
    """
    case = read_case(folder)
    if case.meta.get("source") == "phantom" and int(case.meta["seed"]) < HELD_OUT:
        raise CaseError(f"{case.folder} may have been trained on; evaluate on phantom seeds from {HELD_OUT} on")
    return case


def fingerprint(source: Source) -> str:
    """Sixteen hexadecimal digits that change when a file of the case is replaced, by names, sizes and times."""
    return fingerprint_of(source.paths if isinstance(source, CaseFiles) else [source / META])


def fingerprint_of(paths: Sequence[Path]) -> str:
    """The same of any files and folders."""
    lines = []
    for path in paths:
        for one in sorted(path.rglob("*")) if path.is_dir() else [path]:
            facts = one.stat()
            lines.append(f"{one} {facts.st_size} {facts.st_mtime_ns}")
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).exists()), None)


def _of_table(table: Path) -> list[Source]:
    """One row a case; paths relative to the table."""
    with table.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        columns = list(reader.fieldnames or [])
        missing = [name for name in REQUIRED if name not in columns]
        unknown = [name for name in columns if name not in REQUIRED + OPTIONAL]
        if missing or unknown:
            raise CaseError(
                f"{table}: columns missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}; "
                f"write {', '.join(REQUIRED)} and, if there are any, {', '.join(OPTIONAL)}"
            )
        rows = [(reader.line_num, row) for row in reader]
    found: dict[str, Source] = {}
    for line, row in rows:
        values = {name: (row.get(name) or "").strip() for name in columns}
        if empty := [name for name in REQUIRED if not values[name]]:
            raise CaseError(f"{table}, line {line}: no {', '.join(empty)}; fill in {', '.join(REQUIRED)}")
        name = values["case"]
        if name in found or Path(name).name != name or name.startswith("."):
            raise CaseError(f"{table}, line {line}: {name!r} is not a case name of its own; give each case another one")
        places = {key: table.parent / values[key] for key in columns if key != "case" and values[key]}
        if gone := [str(path) for path in places.values() if not path.exists()]:
            raise CaseError(f"{table}, line {line}: there is no {', '.join(gone)}")
        found[name] = CaseFiles(name, **places)
    if not found:
        raise CaseError(f"{table} lists no case")
    return [found[name] for name in sorted(found)]
