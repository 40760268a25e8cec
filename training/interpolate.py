"""`python -m training interpolate`: the inter-slice network beside linear interpolation, on slices made thick."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pulmomap.inference.thin_slices import open_slice_model
from training.evaluation.one_case import open_networks
from training.figures import table
from training.recipe import RecipeError
from training.store import HELD_OUT, case_folders, ranges, read_case
from training.thick_evaluation import Find, mean_figures, measure_thick


def run(args: argparse.Namespace) -> int:
    """The `interpolate` command.

    Raises:
        RecipeError: a case may have been trained on.
    """
    cases = [read_case(folder) for folder in case_folders(args.data)]
    for case in cases:
        if int(case.meta.get("seed", 0)) < HELD_OUT:
            raise RecipeError(f"{case.folder} may have been trained on; evaluate on seeds from {HELD_OUT} on")
    model = open_slice_model(args.models / "slice_interpolation")
    patients = measure_thick(cases, args.thick, model, open_finder(args.vessels) if args.vessels else None)
    rows = {row: mean_figures(figures) for row, figures in patients.items()}
    held_out = f"{len(cases)} phantoms, seeds {ranges(int(case.meta['seed']) for case in cases)}"
    print(f"Mean of {held_out}\n\n{table(rows)}")
    if args.out:
        facts = {"held_out": held_out, "super_resolution": rows, "patients": patients}
        args.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return 0


def open_finder(models: Path) -> Find:
    """Both networks of a folder of models, one after the other as the application runs them."""
    networks = open_networks(models, {})
    return lambda ncct: networks.find(networks.enhance(ncct))
