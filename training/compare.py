"""`python -m training compare`: the HiPaS table, several segmenters side by side on the cases of a store.

Every arm is run as the application runs it, with the NCCT in both of its channels and with the Syn-CECT of the shipped
synthesiser, so that what the synthesis gives each of them can be read; the paper's printed figures stand beside.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.evaluation.running import Measure

SHIPPED = "shipped"
SOME_FAILED, NOTHING = 1, 3
"""Exit codes, as those of `evaluate`."""


@dataclass(frozen=True)
class Arms:
    """What the workers open.

    Attributes:
        models: folder of the shipped bundles.
        both: segmenters that see the NCCT twice, and the NCCT with the Syn-CECT.
        plain: segmenters that see the NCCT twice only.
        threads: CPU threads; 0 takes all.
    """

    models: Path
    both: Mapping[str, Path]
    plain: Mapping[str, Path]
    threads: int = 0

    def stamp(self) -> dict[str, Any]:
        """What decides the figures beside the case. Raises CaseError when a bundle cannot be used."""
        from pulmomap.inference.bundle import BundleError, load_segmentation_bundle, load_synthesis_bundle
        from training.evaluation.cases import CaseError

        try:
            weights = {"contrast_synthesis": load_synthesis_bundle(self.models / "contrast_synthesis").identity.digest}
            for name, folder in [*self.both.items(), *self.plain.items()]:
                weights[name] = load_segmentation_bundle(folder).identity.digest
        except BundleError as error:
            raise CaseError(str(error)) from error
        return {"weights": weights, "plain": sorted(self.plain)}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    line = commands.add_parser("compare", help="segmenters side by side: the HiPaS table")
    line.add_argument("store", type=Path, metavar="STORE", help="made by `prepare phantoms --held-out`, or a site's")
    line.add_argument("--out", type=Path, required=True, metavar="DIR", help="tables and pictures; a run goes on there")
    line.add_argument("--models", type=Path, default=Path("models"), help="the shipped bundles; the arm 'shipped'")
    line.add_argument(
        "--arm", action="append", default=[], metavar="NAME=FOLDER", help="a segmenter's bundle, or models holding one"
    )
    line.add_argument(
        "--plain-arm", action="append", default=[], metavar="NAME=FOLDER", help="one that was trained on the NCCT alone"
    )
    line.add_argument("--jobs", type=int, default=1, help="cases at a time (default %(default)s)")
    line.add_argument("--threads", type=int, default=0, help="CPU threads a case (default: shared evenly)")


def run(args: argparse.Namespace) -> int:
    """The `compare` command."""
    from training.evaluate import alone_in, threads_of, watch
    from training.evaluation.cases import CaseError, find_cases
    from training.evaluation.results import read_results
    from training.evaluation.running import Job
    from training.evaluation.tables_arms import write

    sources = find_cases(args.store)
    if not all(isinstance(source, Path) for source in sources):
        raise CaseError(f"{args.store} is not a store; make one by `prepare phantoms --held-out` or `prepare dicom`")
    both = {SHIPPED: args.models / "vessel_segmentation"} | named(args.arm)
    chosen = Arms(args.models, both, named(args.plain_arm), args.threads or threads_of(args.jobs))
    if twice := sorted(chosen.both.keys() & chosen.plain.keys()):
        raise CaseError(f"the arm {twice[0]} is given twice; give each arm a name of its own")
    job = Job(args.out, chosen.stamp(), partial(opened, chosen))
    with alone_in(args.out):
        failed = watch(sources, job, args.jobs)
        results = read_results(args.out, [source.name for source in sources if source.name not in failed])
        if not len(results):
            print(f"training: none of the {len(sources)} cases could be measured, see above", file=sys.stderr)
            return NOTHING
        print(write(results, args.out, json.dumps(job.stamp["weights"], indent=1)))
        return SOME_FAILED if failed else 0


def named(given: list[str]) -> dict[str, Path]:
    """NAME=FOLDER, several times; a folder of models is replaced by the segmenter in it."""
    from training.evaluation.cases import CaseError

    found = {}
    for text in given:
        name, _, folder = text.partition("=")
        if not name or not folder or name in found or name == SHIPPED:
            raise CaseError(f"{text}: write NAME=FOLDER, each name once, and not {SHIPPED!r}")
        inner = Path(folder, "vessel_segmentation")
        found[name] = inner if inner.is_dir() else Path(folder)
    return found


def opened(chosen: Arms) -> Measure:
    """Open the networks; returns what measures a case."""
    import torch

    from training.evaluation.arms import measure, open_segmenters, open_synthesiser

    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    enhance = open_synthesiser(chosen.models / "contrast_synthesis", chosen.threads)
    both, plain = (open_segmenters(folders, chosen.threads) for folders in (chosen.both, chosen.plain))
    return lambda source: measure(source, enhance, both, plain)
