"""``python -m benchmarks.cleaning STORE``: what each step of the anatomical clean-up does to the vessel map.

The segmenter runs once on each case of the store's validation side that has its Syn-CECT (held-out cases must not
decide on a setting); then the map is made with all steps, without each of them, and without any. Results: a table on
the terminal and ``benchmarks/out/cleaning.json``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from highdicom import Volume
from rich.console import Console
from rich.table import Table

from pulmomap.case import ModelIdentity, SynCect
from pulmomap.inference.runtime import Floats, Runtime
from pulmomap.inference.segmentation import SegmentationSettings, VesselModel, open_vessel_model, segment
from pulmomap.metrics.vessel import centre_lines, vessel_table
from training.cases import Cases
from training.evaluation.defects import defect_regions, defect_scores
from training.evaluation.scores import vessel_scores
from training.evaluation.subject import Subject, stored_subject
from training.synthesise import case_volume

OUT = Path(__file__).parent / "out" / "cleaning.json"
OFF = {
    "smallest_mm3": 0.0,
    "only_between_lungs": False,
    "trunk_gap_mm": 0.0,
    "branch_majority": 1.01,
    "without_nodules": False,
}
FIGURES = ("dice_pa", "dice_pv", "sensitivity", "length_pa", "length_pv", "precision_pa", "precision_pv", "mcs",
           "false_airway_wall", "false_pleura", "false_nodule")  # fmt: skip


class Remembered:
    """A runtime that runs the network in the first pass and repeats its answers in the next ones."""

    def __init__(self, runtime: Runtime) -> None:
        self.title, self._runtime = runtime.title, runtime
        self._answers: list[Floats] = []
        self._next: Iterator[Floats] | None = None

    def rewind(self) -> None:
        """The answers from the first one on, to be repeated."""
        self._next = iter(self._answers)

    def __call__(self, batch: Floats) -> Floats:
        if self._next is not None:
            return next(self._next)
        self._answers.append(self._runtime(batch).copy())
        return self._answers[-1]


def variants(others: Mapping[str, Sequence[float]]) -> dict[str, SegmentationSettings]:
    """Row -> settings: all steps, each step left out, each step with other values, no step at all."""
    every = SegmentationSettings()
    rows = {"all steps": every}
    rows |= {f"without {name}": every.model_copy(update={name: value}) for name, value in OFF.items()}
    for name, values in others.items():
        rows |= {f"{name} {value:g}": every.model_copy(update={name: value}) for value in values}
    return rows | {"no step": every.model_copy(update=OFF)}


def measure(
    subject: Subject, reference: Volume, syn: SynCect, model: VesselModel, rows: dict[str, SegmentationSettings]
) -> dict[str, list[float]]:
    """Row -> figures of one case, in the order of :data:`FIGURES`."""
    true = centre_lines(reference)
    where = defect_regions(reference, true, subject.ncct.lungs, subject.ncct.nodules, subject.airway_wall)
    runtime = Remembered(model.runtime)
    found = {}
    for row, settings in rows.items():
        labels = segment(syn, replace(model, runtime=runtime, settings=settings)).labels
        runtime.rewind()
        table = vessel_table(labels, reference, subject.ncct.lungs, true)
        scores = vessel_scores(table, labels, reference) | defect_scores(labels, where)
        found[row] = [scores[name].value for name in FIGURES]
    return found


def parser() -> argparse.ArgumentParser:
    """The command line."""
    line = argparse.ArgumentParser(prog="python -m benchmarks.cleaning", description=__doc__)
    line.add_argument("store", type=Path, metavar="STORE", help="made by `prepare phantoms`, with `prepare synthesise`")
    line.add_argument("--models", type=Path, default=Path("models"), help="holds the segmenter (default %(default)s)")
    line.add_argument("--crumbs", type=float, nargs="*", default=[], metavar="MM3", help="other values of smallest_mm3")
    line.add_argument("--gaps", type=float, nargs="*", default=[], metavar="MM", help="other values of trunk_gap_mm")
    return line


def main() -> None:
    """Measure, print and write."""
    arguments = parser().parse_args()
    rows = variants({"smallest_mm3": arguments.crumbs, "trunk_gap_mm": arguments.gaps})
    model = open_vessel_model(arguments.models / "vessel_segmentation")
    cases = Cases(arguments.store, ("syn", "vessels")).validation
    patients = []
    for case in cases:
        subject = stored_subject(case)
        identity = ModelIdentity("contrast_synthesis", "", case.meta["synthesised_by"], "", "")
        syn = SynCect(subject.ncct, case_volume(case, "syn"), identity)
        if subject.labels is None:
            raise SystemExit(f"{case.name} has no vessels; give a store of phantoms")
        patients.append(measure(subject, subject.labels, syn, model, rows))
    table = Table(title=f"mean of {len(cases)} cases: {', '.join(case.name for case in cases)}")
    for column in ("", *FIGURES):
        table.add_column(column, justify="right" if column else "left")
    means = {row: np.nanmean([one[row] for one in patients], axis=0) for row in rows}
    for row, values in means.items():
        table.add_row(row, *(f"{value:.3f}" for value in values))
    Console(width=200).print(table)
    OUT.parent.mkdir(exist_ok=True)
    content = {row: dict(zip(FIGURES, values.tolist(), strict=True)) for row, values in means.items()}
    OUT.write_text(json.dumps({"cases": [case.name for case in cases], "rows": content}, indent=1) + "\n")


if __name__ == "__main__":
    main()
