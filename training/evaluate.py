"""`python -m training evaluate`: the shipped networks, run as the application runs them, on held-out phantoms.

Rows of synthesis: the NCCT itself (no model) and the Syn-CECT, against the CECT. Rows of segmentation: the segmenter on
the NCCT alone, on the Syn-CECT, and on the true CECT, which is the most that synthesis could give.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pulmomap.case import Ncct, SynCect
from pulmomap.inference.segmentation import open_vessel_model, segment
from pulmomap.inference.synthesis import open_contrast_model, synthesise
from training.figures import Figures, image_figures, label_figures, mean_figures, table
from training.prepare import HELD_OUT, MARGIN, lung_box
from training.recipe import RecipeError
from training.synthesise import as_ncct

Rows = dict[str, Figures]
Synthesise = Callable[[Ncct], SynCect]
Segment = Callable[[SynCect], NDArray[np.uint8]]


def evaluate(seeds: range, spacing: float, enhance: Synthesise, find: Segment) -> dict[str, Rows]:
    """Measure both networks on phantoms drawn from held-out seeds.

    Args:
        seeds: all at or above the first held-out seed.
        spacing: mm.
        enhance, find: the networks, as the application runs them.

    Returns:
        Mean over the phantoms, by task, by row.

    Raises:
        RecipeError: a seed may have been trained on.
    """
    if seeds.start < HELD_OUT:
        raise RecipeError(f"seed {seeds.start} may have been trained on; evaluate on seeds from {HELD_OUT} on")
    patients: dict[str, dict[str, list[Figures]]] = {"synthesis": {}, "segmentation": {}}
    for seed in seeds:
        for task, rows in phantom_figures(seed, spacing, enhance, find).items():
            for row, figures in rows.items():
                patients[task].setdefault(row, []).append(figures)
        print(f"seed {seed} measured", flush=True)
    return {task: {row: mean_figures(figures) for row, figures in rows.items()} for task, rows in patients.items()}


def phantom_figures(seed: int, spacing: float, enhance: Synthesise, find: Segment) -> dict[str, Rows]:
    """One phantom's figures, by task, by row."""
    from pulmomap.phantom.thorax import draw

    phantom = draw(seed, spacing=spacing)
    ncct = as_ncct(phantom.ncct, phantom.lungs, f"{seed:016x}")
    syn = enhance(ncct)
    cect, truth, lungs = (np.asarray(one.array) for one in (phantom.cect, phantom.vessels, phantom.lungs))
    where = np.zeros(truth.shape, bool)
    where[lung_box(lungs, MARGIN / spacing)] = True
    plain, synthetic = np.asarray(phantom.ncct.array), np.asarray(syn.volume.array)

    def found(second: NDArray[np.int16]) -> Figures:
        channel = SynCect(ncct, syn.volume.with_array(second.astype(np.int16)), syn.model)
        return label_figures(find(channel), truth, lungs > 0)

    return {
        "synthesis": {
            "no model (NCCT)": image_figures(plain, cect, truth > 0, where),
            "Syn-CECT": image_figures(synthetic, cect, truth > 0, where),
        },
        "segmentation": {
            "no model (NCCT twice)": found(plain),
            "NCCT + Syn-CECT": found(synthetic),
            "NCCT + true CECT": found(cect),
        },
    }


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
    result: dict[str, Any] = dict(evaluate(args.seeds, args.spacing, *open_models(args.models)))
    for task, rows in result.items():
        print(f"\n{task}, mean of {len(args.seeds)} phantoms\n\n{table(rows)}")
    result["held_out"] = f"{len(args.seeds)} phantoms, seeds {args.seeds.start}-{args.seeds.stop - 1}"
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0
