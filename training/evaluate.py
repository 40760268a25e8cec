"""`python -m training evaluate`: the shipped networks, run as the application runs them, on held-out phantoms.

Rows of synthesis: the NCCT itself (no model) and the Syn-CECT, against the CECT. Rows of segmentation: the segmenter on
the NCCT alone, on the Syn-CECT, and on the true CECT, which is the most that synthesis could give.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pulmomap.case import Ncct, SynCect
from pulmomap.inference.segmentation import open_vessel_model, segment
from pulmomap.inference.synthesis import open_contrast_model, synthesise
from training.figures import Figures, image_figures, label_figures, mean_figures, table
from training.recipe import RecipeError
from training.store import HELD_OUT, Case, case_folders, ranges, read_case
from training.synthesise import as_ncct, case_volume

Rows = dict[str, Figures]
Synthesise = Callable[[Ncct], SynCect]
Segment = Callable[[SynCect], NDArray[np.uint8]]


def evaluate(cases: list[Case], enhance: Synthesise, find: Segment) -> dict[str, Rows]:
    """Measure both networks.

    Args:
        cases: phantoms that nobody trained on.
        enhance, find: the networks, as the application runs them.

    Returns:
        Mean over the phantoms, by task, by row.
    """
    patients: dict[str, dict[str, list[Figures]]] = {"synthesis": {}, "segmentation": {}}
    for case in cases:
        for task, rows in case_figures(case, enhance, find).items():
            for row, figures in rows.items():
                patients[task].setdefault(row, []).append(figures)
        print(f"{case.name} measured", flush=True)
    return {task: {row: mean_figures(figures) for row, figures in rows.items()} for task, rows in patients.items()}


def case_figures(case: Case, enhance: Synthesise, find: Segment) -> dict[str, Rows]:
    """One phantom's figures, by task, by row."""
    ncct = as_ncct(case_volume(case, "ncct"), case_volume(case, "lungs"), case.name)
    syn = enhance(ncct)
    plain, cect, truth = (np.asarray(case.array(name)) for name in ("ncct", "cect", "vessels"))
    lungs = np.asarray(ncct.lungs.array) > 0

    def found(second: NDArray[np.int16]) -> Figures:
        return label_figures(find(replace(syn, volume=syn.volume.with_array(second))), truth, lungs)

    synthetic = np.asarray(syn.volume.array)
    return {
        "synthesis": {
            "no model (NCCT)": image_figures(plain, cect, truth > 0),
            "Syn-CECT": image_figures(synthetic, cect, truth > 0),
        },
        "segmentation": {
            "no model (NCCT twice)": found(plain),
            "NCCT + Syn-CECT": found(synthetic),
            "NCCT + true CECT": found(cect),
        },
    }


def held_out_cases(store: Path) -> list[Case]:
    """The cases of an evaluation store. Raises RecipeError when one of them may have been trained on."""
    cases = [read_case(folder) for folder in case_folders(store)]
    for case in cases:
        if int(case.meta.get("seed", 0)) < HELD_OUT:
            raise RecipeError(f"{case.folder} may have been trained on; evaluate on seeds from {HELD_OUT} on")
    return cases


def open_models(models: Path) -> tuple[Synthesise, Segment]:
    """Open both shipped bundles as the application does."""
    contrast, vessels = (
        open_contrast_model(models / "contrast_synthesis"),
        open_vessel_model(models / "vessel_segmentation"),
    )

    def labels(syn: SynCect) -> NDArray[np.uint8]:
        return np.asarray(segment(syn, vessels).labels.array)

    return partial(synthesise, model=contrast), labels


def run(args: argparse.Namespace) -> int:
    """The `evaluate` command."""
    cases = held_out_cases(args.data)
    result: dict[str, Any] = dict(evaluate(cases, *open_models(args.models)))
    for task, rows in result.items():
        print(f"\n{task}, mean of {len(cases)} phantoms\n\n{table(rows)}")
    result["held_out"] = f"{len(cases)} phantoms, seeds {ranges(int(case.meta['seed']) for case in cases)}"
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0
