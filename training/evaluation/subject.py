"""One case in memory: the scan as it reaches the networks, its contrast scan, and the truth that is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray

from pulmomap.case import Ncct, SynCect
from pulmomap.imaging.lungs import lung_mask
from pulmomap.inference.synthesis import whole_hu
from training.evaluation.cases import CaseError, CaseFiles, GridError, Source, fingerprint_of, stored_case
from training.evaluation.labels import read_labels
from training.evaluation.nodules import plain_nodules, read_nodules
from training.evaluation.reading import on_grid_of, read_mask, read_scan
from training.grids import one_grid
from training.registering import Registered, read_landmarks, register_pair
from training.site_pairs import CONTRAST_RULES, NON_CONTRAST_RULES
from training.store import Case
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
        registration: the quality report, where the CECT was brought onto the NCCT's grid here.
    """

    name: str
    ncct: Ncct
    cect: Volume
    labels: Volume | None
    airway_wall: NDArray[np.integer] | None = None
    registration: Mapping[str, Any] | None = None


def load(source: Source, registrations: Path, *, register_all: bool = False) -> Subject:
    """Read a case; a sequential pair, whose scans lie on grids of their own, is registered.

    Args:
        source: the case.
        registrations: folder in which a registration is kept, under the name of the case.
        register_all: a pair of files on one grid too. (A store's pairs lie on one grid because they were prepared so.)

    Raises:
        CaseError, PairError, StoreError, Refused: what is wrong with it, in a sentence.
    """
    if isinstance(source, CaseFiles):
        return _of_files(source, registrations / source.name, register_all)
    return stored_subject(stored_case(source))


def _of_files(files: CaseFiles, registration: Path, register_all: bool) -> Subject:
    scan, series = read_scan(files.ncct, NON_CONTRAST_RULES)
    contrast, _ = read_scan(files.cect, CONTRAST_RULES)
    registered = None
    if register_all or not one_grid(contrast, scan):
        registered = _registered(files, scan, contrast, registration)
    cect = registered.transform.image(contrast, scan) if registered else on_grid_of(contrast, scan, "CECT")
    labels = _labels(files.labels, scan, contrast, registered) if files.labels else None
    lungs = on_grid_of(read_mask(files.lungs), scan, "lung mask") if files.lungs else lung_mask(scan).mask
    if not np.asarray(lungs.array).any():
        raise CaseError(f"{files.lungs or files.ncct} shows no two lungs; send a chest CT, or give a lung mask")
    nodules = read_nodules(files.nodules, scan, series) if files.nodules else ()
    ncct = replace(as_ncct(scan, lungs, files.name), nodules=nodules)
    report = registered.report if registered else None
    return Subject(files.name, ncct, cect, labels, registration=report)


def _registered(files: CaseFiles, scan: Volume, contrast: Volume, folder: Path) -> Registered:
    """The contrast scan on the NCCT: what the networks see must not be interpolated, and the nodules lie there."""
    landmarks = read_landmarks(files.landmarks) if files.landmarks else None
    parts = [path for path in (files.ncct, files.cect, files.landmarks) if path]
    return register_pair(scan, contrast, folder, fingerprint_of(parts), landmarks=landmarks)


def _labels(path: Path, scan: Volume, contrast: Volume, registered: Registered | None) -> Volume:
    """The reference map, drawn on the NCCT or, of a registered pair, on the contrast scan."""
    try:
        return read_labels(path, scan)
    except GridError:
        if registered is None:
            raise
    return registered.transform.labels(read_labels(path, contrast), scan)


def stored_subject(case: Case) -> Subject:
    """A case of a store."""
    ncct = as_ncct(case_volume(case, "ncct"), case_volume(case, "lungs"), case.name)
    nodules = plain_nodules(case.meta.get("nodules", []))
    cect = case_volume(case, "cect")
    labels = case_volume(case, "vessels") if "vessels" in case else None
    walls = case.array(AIRWAY_WALL) if AIRWAY_WALL in case else None
    return Subject(case.name, replace(ncct, nodules=nodules), cect.with_array(_floats(cect)), labels, airway_wall=walls)


def as_second_channel(syn: SynCect, hu: NDArray[np.number]) -> SynCect:
    """Another image (HU, on the same grid) for the segmenter's second channel, as integers that a Syn-CECT can hold."""
    return replace(syn, volume=syn.volume.with_array(whole_hu(hu)))


def _floats(volume: Volume) -> NDArray[np.float32]:
    return np.asarray(volume.array, dtype=np.float32)
