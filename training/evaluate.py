"""`python -m training evaluate`: the networks, run as the application runs them, on cases with a contrast scan.

Rows of images: the NCCT itself (no model), the Syn-CECT and other synthesisers, against the CECT. Rows of vessels: the
segmenter on the NCCT alone, with the Syn-CECT, and with the true CECT, which is the most that synthesis could give.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pulmomap.staging import FolderInUse, Staging
from training.evaluation.cases import CaseError, Source, find_cases
from training.evaluation.running import Done, Job, Measure, run_cases
from training.figures import comparison_table, table

REGISTRATIONS = "registrations"
"""In the output folder: one folder a registered pair."""

SOME_FAILED, NOTHING = 1, 3
"""Exit codes, as the application's: something failed; nothing could be measured. 0: all measured; 2: wrong usage."""


@dataclass(frozen=True)
class Options:
    """What the workers open and measure.

    Attributes:
        models: folder of both bundles.
        arms: other synthesisers by name.
        roi_diameter: mm.
        out: the output folder, where registrations are kept.
        threads: CPU threads a process; 0 takes all.
        register_all: register pairs on one grid too.
    """

    models: Path
    arms: Mapping[str, Path]
    out: Path
    roi_diameter: float = 50.0
    threads: int = 0
    register_all: bool = False

    def stamp(self) -> dict[str, Any]:
        """What decides the figures beside the case. Raises CaseError when a bundle cannot be used."""
        from pulmomap.inference.bundle import BundleError, load_segmentation_bundle, load_synthesis_bundle

        synthesisers = {"contrast_synthesis": self.models / "contrast_synthesis", **self.arms}
        try:
            weights = {name: load_synthesis_bundle(folder).identity.digest for name, folder in synthesisers.items()}
            vessels = load_segmentation_bundle(self.models / "vessel_segmentation").identity.digest
        except BundleError as error:
            raise CaseError(str(error)) from error
        return {
            "weights": weights | {"vessel_segmentation": vessels},
            "roi_diameter_mm": self.roi_diameter,
            "register_all": self.register_all,
        }


def opened(options: Options) -> Measure:
    """Open the networks; returns what measures a case."""
    import torch

    from training.evaluation.one_case import measure, open_networks
    from training.evaluation.subject import load

    if options.threads:
        torch.set_num_threads(options.threads)
    networks = open_networks(options.models, options.arms, options.threads)

    def measured(source: Source) -> tuple[dict[str, Any], bytes]:
        subject = load(source, options.out / REGISTRATIONS, register_all=options.register_all)
        return measure(subject, networks, options.roi_diameter)

    return measured


def run(args: argparse.Namespace) -> int:
    """The `evaluate` command."""
    if args.score or args.reader_study:
        from training.evaluation.study import study

        return study(args)
    if args.cases is None or args.out is None:
        raise CaseError("evaluate needs CASES and --out DIR, or --reader-study DIR")
    sources = find_cases(args.cases)
    threads = args.threads or threads_of(args.jobs)
    options = Options(args.models, arms(args.arm), args.out, args.roi_mm, threads, args.register_all)
    job = Job(args.out, options.stamp(), partial(opened, options))
    with alone_in(args.out):
        failed = watch(sources, job, args.jobs)
        return finish(sources, job, failed, args)


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Hold an output folder against other runs. Raises CaseError when another one has it."""
    try:
        with Staging(out):
            yield
    except FolderInUse as error:
        raise CaseError(str(error).replace("-o", "--out")) from error


def arms(given: list[str]) -> dict[str, Path]:
    """NAME=BUNDLE, several times."""
    found = {}
    for text in given:
        name, _, folder = text.partition("=")
        if not name or not folder or name in found:
            raise CaseError(f"--arm {text}: write NAME=BUNDLE, each name once")
        found[name] = Path(folder)
    return found


def threads_of(jobs: int) -> int:
    """An equal share of the cores for every process; 0, all of them, for one."""
    import os

    return 0 if jobs == 1 else max(1, len(os.sched_getaffinity(0)) // jobs)


def watch(sources: list[Source], job: Job, jobs: int) -> dict[str, str]:
    """Measure with a progress bar (plain lines where there is no terminal); returns the bad cases and why."""
    console = Console(stderr=True, soft_wrap=True)
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("left  {task.description}"),
    )
    failed: dict[str, str] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal, speed_estimate_period=3600) as bar:
        task = bar.add_task("", total=len(sources))
        for done in run_cases(sources, job, jobs):
            if done.error is not None:
                failed[done.name] = done.error
            bar.update(task, advance=1, description=done.name)
            console.print(said(done), markup=False, highlight=False)
    return failed


def said(done: Done) -> str:
    """One line about one case."""
    if done.error is not None:
        return f"{done.name}: not measured: {done.error}"
    return f"{done.name} {'is there' if done.kept else 'measured'}"


def finish(sources: list[Source], job: Job, failed: Mapping[str, str], args: argparse.Namespace) -> int:
    """Write tables and page of all cases, print the short form, and choose the exit code."""
    from training.evaluation.files import write_summary, write_tables
    from training.evaluation.page import write_page
    from training.evaluation.results import read_results

    results = read_results(job.out, [source.name for source in sources if source.name not in failed])
    if not len(results):
        print(f"training: none of the {len(sources)} cases could be measured, see above", file=sys.stderr)
        return NOTHING
    write_tables(results, job.out)
    summary = write_summary(results, job.out)
    settings = {
        "Cases": args.cases.name,
        "Sphere around a nodule": f"{args.roi_mm:g} mm",
        **({"Registered": "pairs on one grid too"} if args.register_all else {}),
        **{f"Weights, {name}": digest for name, digest in job.stamp["weights"].items()},
    }
    page = write_page(results, job.out, failed, settings)
    for task, (plain, ours) in summary["compared"].items():
        print(f"\n{task}, mean of {len(results)} cases\n\n{table(summary[task])}")
        if summary["comparisons"][task]:
            print(f"\n{ours} minus {plain}\n\n{comparison_table(summary['comparisons'][task])}")
    print(f"\n{page}")
    return SOME_FAILED if failed else 0
