"""`python -m training evaluate`: the shipped networks, run as the application runs them, on held-out phantoms.

Rows of synthesis: the NCCT itself (no model) and the Syn-CECT, against the CECT. Rows of segmentation: the segmenter on
the NCCT alone, on the Syn-CECT, and on the true CECT, which is the most that synthesis could give.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray

from pulmomap.case import Ncct, SelectedSeries, SynCect
from training.figures import Figures, image_figures, label_figures, mean_figures, table
from training.prepare import HELD_OUT, MARGIN, lung_box
from training.recipe import RecipeError

Rows = dict[str, Figures]
Synthesise = Callable[[Ncct], SynCect]
Segment = Callable[[SynCect], NDArray[np.uint8]]


def evaluate(seeds: range, spacing: float, synthesise: Synthesise, segment: Segment) -> dict[str, Rows]:
    """Measure both networks on phantoms drawn from held-out seeds.

    Args:
        seeds: all at or above the first held-out seed.
        spacing: mm.
        synthesise, segment: the networks, as the application runs them.

    Returns:
        Mean over the phantoms, by task, by row.

    Raises:
        RecipeError: a seed may have been trained on.
    """
    if seeds.start < HELD_OUT:
        raise RecipeError(f"seed {seeds.start} may have been trained on; evaluate on seeds from {HELD_OUT} on")
    patients: dict[str, dict[str, list[Figures]]] = {"synthesis": {}, "segmentation": {}}
    for seed in seeds:
        for task, rows in phantom_figures(seed, spacing, synthesise, segment).items():
            for row, figures in rows.items():
                patients[task].setdefault(row, []).append(figures)
        print(f"seed {seed} measured", flush=True)
    return {task: {row: mean_figures(figures) for row, figures in rows.items()} for task, rows in patients.items()}


def phantom_figures(seed: int, spacing: float, synthesise: Synthesise, segment: Segment) -> dict[str, Rows]:
    """One phantom's figures, by task, by row."""
    from pulmomap.phantom.thorax import draw

    phantom = draw(seed, spacing=spacing)
    ncct = wrap(phantom.ncct, phantom.lungs, seed)
    syn = synthesise(ncct)
    cect, truth, lungs = (np.asarray(one.array) for one in (phantom.cect, phantom.vessels, phantom.lungs))
    where = np.zeros(truth.shape, bool)
    where[lung_box(lungs, MARGIN / spacing)] = True
    plain, synthetic = np.asarray(phantom.ncct.array), np.asarray(syn.volume.array)

    def found(second: NDArray[np.int16]) -> Figures:
        channel = SynCect(ncct, syn.volume.with_array(second.astype(np.int16)), syn.model)
        return label_figures(segment(channel), truth, lungs > 0)

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


def wrap(volume: Volume, lungs: Volume, seed: int) -> Ncct:
    """Bring a phantom into the form in which a scan reaches the networks."""
    series = SelectedSeries(f"{seed:016x}", "2.25.1", "2.25.2", "2.25.3", ())
    return Ncct(series, volume.with_array(np.asarray(volume.array, dtype=np.float32)), lungs)


def open_models(models: Path) -> tuple[Synthesise, Segment]:
    """Open both shipped bundles as the application does."""
    raise NotImplementedError


def run(args: argparse.Namespace) -> int:
    """The `evaluate` command."""
    result: dict[str, Any] = dict(evaluate(args.seeds, args.spacing, *open_models(args.models)))
    for task, rows in result.items():
        print(f"\n{task}, mean of {len(args.seeds)} phantoms\n\n{table(rows)}")
    result["held_out"] = f"{len(args.seeds)} phantoms, seeds {args.seeds.start}-{args.seeds.stop - 1}"
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0
