"""``evaluate --reader-study``: the blinded pictures of the cases, and the scores of what the readers send back.

Every case is shown in three arms, NCCT, Syn-CECT and CECT, by the same three planes through the same point in the same
window. Only the pixels differ.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from highdicom import Volume

from pulmomap.case import Ncct
from pulmomap.refusals import Refused
from pulmomap.report.drawing import MEDIASTINAL, Canvas
from pulmomap.report.figures import AIR_HU
from pulmomap.report.planes import Plane, Vector, View, sample
from pulmomap.staging import write_atomically
from training.evaluation.cases import CaseError, Source, find_cases
from training.evaluation.one_case import Synthesise
from training.evaluation.pictures import CLOSE_MM, STEP_MM, mark, middle
from training.evaluation.study_report import report, table_of
from training.evaluation.subject import Subject, load
from training.reader_study import ImageSet, Prepared, prepare, score
from training.reader_study.preparation import KEY
from training.registering import PairError
from training.store import StoreError

ARMS = {"NCCT": None, "Syn-CECT": True, "CECT": False}
"""Arm -> whether it is synthetic, for the real-or-synthetic part; the NCCT is not asked about there."""
SIDE = 420
PICTURES, REGISTRATIONS = "pictures", "registrations"


def study(args: argparse.Namespace) -> int:
    """Prepare a study, or score one."""
    folder: Path | None = args.reader_study
    if folder is None:
        raise CaseError("--score needs --reader-study DIR, the folder of the study")
    if args.score:
        scored(folder, args.score)
        return 0
    if args.cases is None:
        raise CaseError("--reader-study needs CASES to show, or --score ANSWERS")
    prepared, failed = prepared_study(find_cases(args.cases), args.models, folder, args.seed, args.threads)
    print(f"for the readers: {prepared.page}\nfor the investigator alone: {prepared.key}")
    return 1 if failed else 0


def prepared_study(
    sources: Sequence[Source], models: Path, out: Path, seed: int, threads: int = 0
) -> tuple[Prepared, int]:
    """Draw the pictures of every case and write the page and the key; says how many cases were left out.

    Raises:
        StudyError: fewer than two cases, or ``out`` holds a study already.
        CaseError: the bundle cannot be used.
    """
    from pulmomap.inference.bundle import BundleError
    from pulmomap.inference.synthesis import open_contrast_model, synthesise

    if (out / KEY).exists():
        raise CaseError(f"{out} holds a study already, whose answers need its key; give another folder")
    try:
        model = open_contrast_model(models / "contrast_synthesis", threads=threads)
    except BundleError as error:
        raise CaseError(str(error)) from error
    drawn = [_drawn(source, partial(synthesise, model=model), out) for source in sources]
    return prepare([one for sets in drawn for one in sets], out, seed), drawn.count([])


def _drawn(source: Source, enhance: Synthesise, out: Path) -> list[ImageSet]:
    """The pictures of one case; none of a bad one, which is named."""
    try:
        subject = load(source, out / REGISTRATIONS)
        sets = list(image_sets(subject, enhance(subject.ncct).volume, out / PICTURES / source.name))
    except (CaseError, PairError, StoreError, Refused) as error:
        print(f"{source.name}: left out: {error}", file=sys.stderr, flush=True)
        return []
    print(f"{source.name} drawn", file=sys.stderr, flush=True)
    return sets


def image_sets(subject: Subject, syn: Volume, folder: Path) -> Iterator[ImageSet]:
    """Draw a case in every arm: axial, coronal and sagittal through its first nodule, or the middle of its lungs."""
    folder.mkdir(parents=True, exist_ok=True)
    volumes = {"NCCT": subject.ncct.volume, "Syn-CECT": syn, "CECT": subject.cect}
    centre = _centre(subject.ncct)
    for arm, synthetic in ARMS.items():
        paths = []
        for view in View:
            path = folder / f"{arm}-{view.name.lower()}.png"
            _draw(volumes[arm], subject.ncct, Plane(view, centre, CLOSE_MM, CLOSE_MM, STEP_MM), path)
            paths.append(path)
        yield ImageSet(subject.name, arm, tuple(paths), synthetic)


def scored(folder: Path, answers: Sequence[Path]) -> None:
    """Score the answers, print the report and write ``scores.md`` and ``scores.json`` beside the key."""
    if not (folder / KEY).is_file():
        raise CaseError(f"{folder} holds no study: there is no {KEY}")
    scores = score(folder / KEY, answers)
    text = report(scores)
    write_atomically(folder / "scores.md", text.encode())
    write_atomically(folder / "scores.json", (json.dumps({"table": table_of(scores)}, indent=1) + "\n").encode())
    print(text)


def _centre(ncct: Ncct) -> Vector:
    return ncct.nodules[0].centre if ncct.nodules else middle(ncct.lungs)


def _draw(volume: Volume, ncct: Ncct, plane: Plane, path: Path) -> None:
    canvas = Canvas(plane, MEDIASTINAL.apply(sample(volume, plane, AIR_HU)), SIDE)
    for nodule in ncct.nodules[:1]:
        mark(canvas, nodule)
    canvas.letters()
    canvas.scale_bar(20)
    canvas.finish().save(path)
