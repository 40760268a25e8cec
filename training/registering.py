"""A sequential pair brought onto one grid, once: the transform and its quality report are kept and used again.

What is not to be believed is not used. `prepare dicom`, which may keep nothing that names a patient, has its own way
(:mod:`training.site_alignment`) over the same registration.
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from highdicom import Volume

from pulmomap.imaging.registration.errors import RegistrationError
from pulmomap.imaging.registration.register import register
from pulmomap.imaging.registration.report import REPORT, Landmarks, save
from pulmomap.imaging.registration.stages import STAGES, map_file
from pulmomap.imaging.registration.transform import Transform, read_transform
from pulmomap.staging import write_atomically
from training.grids import described

KEY = "key.txt"
"""Of the folder of a registration: of which files and parameter maps it is."""

COLUMNS = tuple(f"{scan}_{axis}" for scan in ("fixed", "moving") for axis in "xyz")
"""Of a file of landmarks, LPS mm."""


class PairError(ValueError):
    """Two scans that cannot be brought onto each other. One sentence."""


@dataclass(frozen=True)
class Registered:
    """A registration to be believed.

    Attributes:
        transform: of the fixed scan's points to the moving one's; brings the moving scan to the fixed one's grid.
        report: what was measured, as :func:`pulmomap.imaging.registration.report.described` gives it.
    """

    transform: Transform
    report: dict[str, Any]


def register_pair(
    fixed: Volume, moving: Volume, folder: Path, key: str, *, landmarks: Landmarks | None = None
) -> Registered:
    """Register two scans of one patient, or take what an earlier call left in the folder.

    Args:
        fixed, moving: HU; the fixed scan's grid is the one that stays.
        folder: of this pair's registration: ``transform.h5``, ``frames.json``, ``registration.json``, ``key.txt``.
        key: stands for both scans and the landmarks; another key, or other parameter maps, register again.
        landmarks: (n, 3) LPS mm in the fixed and in the moving scan, to measure the error on.

    Raises:
        PairError: the registration did not take place, or is not to be believed (the folder holds it nevertheless).
    """
    whole = f"{key} {_maps_digest()}\n"
    report = _kept(folder, whole)
    if report is None:
        try:
            registration = register(fixed, moving, landmarks=landmarks)
        except RegistrationError as error:
            raise PairError(f"{_both(fixed, moving)} could not be registered: {error}") from error
        (folder / KEY).unlink(missing_ok=True)  # until all is written anew, the folder holds nothing whole
        report = save(registration, folder, landmarks)
        write_atomically(folder / KEY, whole.encode())
    if not report["plausible"]:
        raise PairError(
            f"the registration of {_both(fixed, moving)} is not to be believed: {'; '.join(report['doubts'])} "
            f"(figures: {folder.name}/{REPORT}); are they of one patient?"
        )
    return Registered(read_transform(folder), report)


def read_landmarks(path: Path) -> Landmarks:
    """Corresponding points of two scans: a CSV with one pair a line and the columns :data:`COLUMNS`, LPS mm.

    Raises:
        PairError: naming the file, and the line or the columns that are wrong.
    """
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
            raise PairError(f"{path} has no column {', '.join(missing)}; write {', '.join(COLUMNS)}, LPS mm")
        rows = []
        for row in reader:
            try:
                values = [float(row[name]) for name in COLUMNS]
            except (TypeError, ValueError):
                values = [np.nan]
            if not np.isfinite(values).all():
                raise PairError(f"{path}, line {reader.line_num}: a coordinate is not a number")
            rows.append(values)
    if not rows:
        raise PairError(f"{path} lists no landmark")
    points = np.array(rows)
    return points[:, :3], points[:, 3:]


def _kept(folder: Path, key: str) -> dict[str, Any] | None:
    """The report of an earlier registration of the same files; None where there is none, or not the whole of it."""
    try:
        if (folder / KEY).read_text(encoding="utf-8") != key:
            return None
        report: dict[str, Any] = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        read_transform(folder)
    except (OSError, ValueError, RuntimeError):  # SimpleITK raises RuntimeError for a file cut short
        return None
    return report


def _both(fixed: Volume, moving: Volume) -> str:
    return f"the scans ({described(fixed)}; {described(moving)})"


def _maps_digest() -> str:
    maps = b"".join(map_file(stage).read_bytes() for stage in STAGES)
    return hashlib.blake2b(maps, digest_size=8).hexdigest()
