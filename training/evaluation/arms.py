"""One case of a store, measured with every arm of `compare`."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from PIL import Image

from pulmomap.case import Ncct, SynCect
from pulmomap.inference.segmentation import open_vessel_model, segment
from pulmomap.inference.synthesis import open_contrast_model, synthesise
from pulmomap.metrics.outcome import Outcome
from pulmomap.metrics.vessel import centre_lines, vessel_table
from training.evaluation.cases import CaseError, CaseFiles, Source, stored_case
from training.evaluation.defects import defect_regions, defect_scores
from training.evaluation.scores import vessel_scores
from training.evaluation.subject import as_second_channel, stored_subject

Enhance = Callable[[Ncct], SynCect]
Segment = Callable[[SynCect], NDArray[np.uint8]]
NCCT, SYN = "NCCT", "NCCT + Syn-CECT"
COLOURS = np.array([[24, 24, 24], [60, 110, 255], [235, 70, 60]], np.uint8)


Arm = Mapping[str, Path]
"""A segmenter of the comparison: what it is shown, one row each (:data:`NCCT`, in both channels, or :data:`SYN`), and
the bundle that is shown it: one for both, or one trained on each."""


def row_name(arm: str, given: str) -> str:
    """The row of an arm with what it was given."""
    return f"{arm}, {given}"


def open_synthesiser(folder: Path, threads: int) -> Enhance:
    """The synthesiser as the application runs it."""
    return partial(synthesise, model=open_contrast_model(folder, threads=threads))


def open_segmenters(arms: Mapping[str, Arm], threads: int) -> dict[str, tuple[str, Segment]]:
    """Row -> what the arm is shown there, and the segmenter as the application runs it; the rows of the NCCT first."""

    def ready(folder: Path) -> Segment:
        model = open_vessel_model(folder, threads=threads)
        return lambda syn: np.asarray(segment(syn, model).labels.array)

    find = {folder: ready(folder) for folder in {folder for arm in arms.values() for folder in arm.values()}}
    rows = [(name, given, arm[given]) for given in (NCCT, SYN) for name, arm in arms.items() if given in arm]
    return {row_name(name, given): (given, find[folder]) for name, given, folder in rows}


def measure(
    source: Source, enhance: Enhance, segmenters: Mapping[str, tuple[str, Segment]]
) -> tuple[dict[str, Any], bytes]:
    """Measure one case.

    Args:
        source: a case folder of a store.
        enhance: the synthesiser.
        segmenters: from :func:`open_segmenters`.

    Returns:
        What the case's JSON file holds beside its stamp, and a picture (WebP): the truth and every map from the front.

    Raises:
        CaseError, StoreError: what is wrong with the case.
    """
    if isinstance(source, CaseFiles):
        raise CaseError(f"{source.name} is not a case of a store")
    subject = stored_subject(stored_case(source))
    ncct, reference = subject.ncct, subject.labels
    if reference is None:
        raise CaseError(f"{source} has no vessels; arms are compared with drawn labels")
    true = centre_lines(reference)
    where = defect_regions(reference, true, ncct.lungs, ncct.nodules, subject.airway_wall)
    syn = enhance(ncct)
    given = {SYN: syn, NCCT: as_second_channel(syn, np.asarray(ncct.volume.array))}
    rows: dict[str, dict[str, Outcome]] = {}
    shown = {"truth": np.asarray(reference.array)}
    for row, (which, find) in segmenters.items():
        found = reference.with_array(find(given[which]))
        shown[row] = np.asarray(found.array)
        table = vessel_table(found, reference, ncct.lungs, true)
        rows[row] = vessel_scores(table, found, reference) | defect_scores(found, where)
    content = {
        "facts": _facts(reference),
        "synthesis": {},
        "segmentation": {row: {key: one.plain for key, one in scores.items()} for row, scores in rows.items()},
        "nodules": [],
    }
    return content, _picture(shown)


def _facts(reference: Volume) -> dict[str, Any]:
    return {
        "shape": list(reference.spatial_shape),
        "spacing_mm": [round(float(step), 4) for step in reference.spacing],
        "vessel_ml": round(float(np.count_nonzero(reference.array)) * reference.voxel_volume / 1000, 2),
    }


def _picture(maps: Mapping[str, NDArray[np.uint8]]) -> bytes:
    """The maps from the front, head up, one beside the other in the order of the rows, the truth first."""
    panels = [COLOURS[_first_from_the_front(one)[::-1]] for one in maps.values()]
    stream = io.BytesIO()
    Image.fromarray(np.concatenate(panels, axis=1)).save(stream, "WEBP", quality=80)
    return stream.getvalue()


def _first_from_the_front(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(slice, column): the class of the foremost vessel voxel."""
    front = (labels > 0).argmax(axis=1)
    return np.take_along_axis(labels, front[:, None], axis=1)[:, 0]
