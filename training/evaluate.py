"""`python -m training evaluate`: the shipped networks, run as the application runs them, on held-out phantoms.

Rows of synthesis: the NCCT itself (no model) and the Syn-CECT, against the CECT. Rows of segmentation: the segmenter on
the NCCT alone, on the Syn-CECT, and on the true CECT, which is the most that synthesis could give. Rows of
super-resolution, where asked for: thick slices refined by linear interpolation and by the network.
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
from pulmomap.inference.thin_slices import open_slice_model
from pulmomap.metrics.comparison import compare, holm
from training.figures import Figures, comparison_table, image_figures, label_figures, mean_figures, table
from training.recipe import RecipeError
from training.store import HELD_OUT, Case, case_folders, ranges, read_case
from training.synthesise import as_ncct, case_volume
from training.thick_evaluation import measure_thick

Rows = dict[str, Figures]
Patients = dict[str, dict[str, list[Figures]]]
Synthesise = Callable[[Ncct], SynCect]
Segment = Callable[[SynCect], NDArray[np.uint8]]

# What is compared with what, and which figures are better when lower.
ARMS = {
    "synthesis": ("no model (NCCT)", "Syn-CECT"),
    "segmentation": ("no model (NCCT twice)", "NCCT + Syn-CECT"),
}
LOWER = ("mae", "hd95", "mcs")


def measure(cases: list[Case], enhance: Synthesise, find: Segment) -> Patients:
    """Measure both networks.

    Args:
        cases: phantoms that nobody trained on.
        enhance, find: the networks, as the application runs them.

    Returns:
        Figures by task, by row, one entry a phantom.
    """
    patients: Patients = {"synthesis": {}, "segmentation": {}}
    for case in cases:
        for task, rows in case_figures(case, enhance, find).items():
            for row, figures in rows.items():
                patients[task].setdefault(row, []).append(figures)
        print(f"{case.name} measured", flush=True)
    return patients


def means(patients: Patients) -> dict[str, Rows]:
    """Mean over the phantoms, by task, by row."""
    return {task: {row: mean_figures(figures) for row, figures in rows.items()} for task, rows in patients.items()}


def comparisons(patients: Patients) -> dict[str, dict[str, dict[str, Any]]]:
    """Ours against no model, patient by patient: by task, by figure; p after Holm over the figures of a task.

    Figures that fewer than three phantoms have in both rows are left out.
    """
    result: dict[str, dict[str, dict[str, Any]]] = {}
    for task, (plain, ours) in ARMS.items():
        found = {}
        for key in patients[task][plain][0]:
            first, second = (np.array([figures[key] for figures in patients[task][row]]) for row in (plain, ours))
            if np.isfinite(first + second).sum() >= 3:
                found[key] = compare(second, first, lower_is_better=any(word in key for word in LOWER))
        corrected = holm({key: comparison.p for key, comparison in found.items()})
        result[task] = {
            key: {
                "difference": one.difference,
                "interval": one.interval,
                "test": one.test,
                "p": corrected[key],
                "rank_biserial": one.rank_biserial,
                "n": one.n,
            }
            for key, one in found.items()
        }
    return result


def case_figures(case: Case, enhance: Synthesise, find: Segment) -> dict[str, Rows]:
    """One phantom's figures, by task, by row."""
    ncct = as_ncct(case_volume(case, "ncct"), case_volume(case, "lungs"), case.name)
    syn = enhance(ncct)
    plain, cect = (np.asarray(case.array(name)) for name in ("ncct", "cect"))
    truth = case_volume(case, "vessels")
    vessels, lungs = np.asarray(truth.array) > 0, np.asarray(ncct.lungs.array) > 0

    def found(second: NDArray[np.int16]) -> Figures:
        labels = find(replace(syn, volume=syn.volume.with_array(second)))
        return label_figures(truth.with_array(labels), truth, ncct.lungs)

    synthetic = np.asarray(syn.volume.array)
    return {
        "synthesis": {
            "no model (NCCT)": image_figures(plain, cect, vessels, lungs),
            "Syn-CECT": image_figures(synthetic, cect, vessels, lungs),
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
    patients = measure(cases, *open_models(args.models))
    result: dict[str, Any] = dict(means(patients))
    compared = comparisons(patients)
    for task, (plain, ours) in ARMS.items():
        print(f"\n{task}, mean of {len(cases)} phantoms\n\n{table(result[task])}")
        if compared[task]:
            print(f"\n{ours} minus {plain}\n\n{comparison_table(compared[task])}")
    if args.thick:
        thin = measure_thick(cases, args.thick, open_slice_model(args.models / "slice_interpolation"))
        result["super_resolution"] = {row: mean_figures(figures) for row, figures in thin.items()}
        patients["super_resolution"] = thin
        print(f"\nsuper_resolution, mean of {len(cases)} phantoms\n\n{table(result['super_resolution'])}")
    result["held_out"] = f"{len(cases)} phantoms, seeds {ranges(int(case.meta['seed']) for case in cases)}"
    result |= {"patients": patients, "comparisons": compared}
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0
