"""`python -m training race`: trains recipes of one task for an equal time and measures them on held-out cases.

One command from the store to the table; killed at any moment, the same command goes on: finished runs and measured
cases are kept.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch

from pulmomap.imaging.slabs import Mode
from training.checkpoint import CHECKPOINT, load_checkpoint
from training.evaluate import NOTHING, REGISTRATIONS, SOME_FAILED, alone_in, threads_of, watch
from training.evaluation.cases import find_cases
from training.evaluation.results import read_results
from training.evaluation.running import Job, Measure
from training.fit import Run, stoppable
from training.race_table import ROWS, write_report
from training.recipe import Preset, RecipeError, load_preset
from training.trained import read_run

RUNS = "runs"


def run(args: argparse.Namespace) -> int:
    """The `race` command."""
    if args.threads:
        torch.set_num_threads(args.threads)
    presets = {recipe: load_preset(recipe, args.preset) for recipe in dict.fromkeys(args.recipes)}
    for recipe, preset in presets.items():
        if preset.task != "synthesis":
            raise RecipeError(f"recipe {recipe} is for {preset.task}; only synthesisers can race")
    sources = find_cases(args.held_out)
    with alone_in(args.out):
        for recipe, preset in presets.items():
            if not train(preset, args.data, args.out / RUNS / recipe, args.time_budget):
                print("stopped; the same command goes on", flush=True)
                return SOME_FAILED
        runs = {ROWS.get(recipe, recipe): args.out / RUNS / recipe for recipe in presets}
        trained = {name: read_run(folder) for name, folder in runs.items()}
        stamp = {"weights": {name: one.digest for name, one in trained.items()}, "assembly": args.assembly}
        threads = args.threads or threads_of(args.jobs)
        job = Job(args.out, stamp, partial(opened, runs, args.out / REGISTRATIONS, args.assembly, threads))
        failed = watch(sources, job, args.jobs)
    results = read_results(args.out, [source.name for source in sources if source.name not in failed])
    if not len(results):
        print(f"training: none of the {len(sources)} cases could be measured, see above", file=sys.stderr)
        return NOTHING
    print(write_report(results, trained, args.out))
    return SOME_FAILED if failed else 0


def train(preset: Preset, data: Path, folder: Path, budget: float) -> bool:
    """Train one recipe to the end of its budget, or go on with it; whether the end is reached."""
    begun = (folder / CHECKPOINT).exists()
    if begun:
        state = load_checkpoint(folder)
        if state["step"] >= preset.steps or state["spent"] >= budget:
            return True
    print(f"{preset.name}: training", flush=True)
    job = Run(preset, data, folder, budget=budget, resume=begun)
    with stoppable(job):
        job.train()
    return job.progress >= 1


def opened(runs: Mapping[str, Path], registrations: Path, assembly: Mode | None, threads: int) -> Measure:
    """Open the runs' networks, in this process; returns what measures a case."""
    from training.evaluation.subject import load
    from training.race_scores import measure
    from training.trained import open_run

    if threads:
        torch.set_num_threads(threads)
    arms = {name: open_run(read_run(folder), assembly) for name, folder in runs.items()}
    return lambda source: measure(load(source, registrations), arms)
