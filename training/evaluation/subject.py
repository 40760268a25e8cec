"""One case in memory: the scan as it reaches the networks, its contrast scan, and the truth that is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray

from pulmomap.case import Ncct
from pulmomap.imaging.lungs import lung_mask
from training.evaluation.cases import CaseError, CaseFiles, Source, stored_case
from training.evaluation.labels import read_labels
from training.evaluation.nodules import plain_nodules, read_nodules
from training.evaluation.reading import on_grid_of, read_mask, read_scan
from training.site_pairs import CONTRAST_RULES, NON_CONTRAST_RULES
from training.structures import AIRWAY_WALL
from training.synthesise import as_ncct, case_volume


@dataclass(frozen=True)
class Subject:
    """A case that is ready to be measured; all volumes on one grid.

    Attributes:
        name: pseudonym.
        ncct: float32 HU, with lungs and nodules.
        cect: float32 HU.
        labels: uint8 PA and PV; None where nobody drew them.
        airway_wall: (n, 3) voxels; None where nobody knows them.
    """

    name: str
    ncct: Ncct
    cect: Volume
    labels: Volume | None
    airway_wall: NDArray[np.integer] | None = None


def load(source: Source) -> Subject:
    """Read a case.

    Raises:
        CaseError, StoreError, Refused: what is wrong with it, in a sentence.
    """
    return _of_files(source) if isinstance(source, CaseFiles) else _of_store(source)


def _of_files(files: CaseFiles) -> Subject:
    scan, series = read_scan(files.ncct, NON_CONTRAST_RULES)
    cect = on_grid_of(read_scan(files.cect, CONTRAST_RULES)[0], scan, "CECT")
    labels = read_labels(files.labels, scan) if files.labels else None
    lungs = on_grid_of(read_mask(files.lungs), scan, "lung mask") if files.lungs else lung_mask(scan).mask
    if not np.asarray(lungs.array).any():
        raise CaseError(f"{files.lungs or files.ncct} shows no two lungs; send a chest CT, or give a lung mask")
    nodules = read_nodules(files.nodules, scan, series) if files.nodules else ()
    return Subject(files.name, replace(as_ncct(scan, lungs, files.name), nodules=nodules), cect, labels)


def _of_store(folder: Path) -> Subject:
    case = stored_case(folder)
    ncct = as_ncct(case_volume(case, "ncct"), case_volume(case, "lungs"), case.name)
    nodules = plain_nodules(case.meta.get("nodules", []))
    cect = case_volume(case, "cect")
    labels = case_volume(case, "vessels") if "vessels" in case else None
    walls = case.array(AIRWAY_WALL) if AIRWAY_WALL in case else None
    return Subject(case.name, replace(ncct, nodules=nodules), cect.with_array(_floats(cect)), labels, airway_wall=walls)


def _floats(volume: Volume) -> NDArray[np.float32]:
    return np.asarray(volume.array, dtype=np.float32)
