"""`python -m training compare`: the HiPaS table, several segmenters side by side on the cases of a store.

Every arm is run as the application runs it, with the NCCT in both of its channels, with the Syn-CECT of the shipped
synthesiser, or once with each, so that what the synthesis gives can be read; a network trained on each counts as one
arm as well. The paper's printed figures stand beside.
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
    from training.evaluation.arms import Arm
    from training.evaluation.running import Measure

SHIPPED = "shipped"
SOME_FAILED, NOTHING = 1, 3
"""Exit codes, as those of `evaluate`."""


@dataclass(frozen=True)
class Arms:
    """What the workers open.

    Attributes:
        models: folder of the shipped bundles.
        segmenters: what to compare.
        threads: CPU threads; 0 takes all.
    """

    models: Path
    segmenters: Mapping[str, Arm]
    threads: int = 0

    def stamp(self) -> dict[str, Any]:
        """What decides the figures beside the case. Raises CaseError when a bundle cannot be used."""
        from pulmomap.inference.bundle import BundleError, load_segmentation_bundle, load_synthesis_bundle
        from training.evaluation.arms import row_name
        from training.evaluation.cases import CaseError

        try:
            weights = {"contrast_synthesis": load_synthesis_bundle(self.models / "contrast_synthesis").identity.digest}
            for name, arm in self.segmenters.items():
                for given, folder in arm.items():
                    weights[row_name(name, given)] = load_segmentation_bundle(folder).identity.digest
        except BundleError as error:
            raise CaseError(str(error)) from error
        return {"weights": weights}


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
        "--plain-arm", action="append", default=[], metavar="NAME=FOLDER", help="one that is shown the NCCT only"
    )
    line.add_argument(
        "--syn-arm",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="one that is shown the Syn-CECT only; under the name of a --plain-arm, what synthesis gives is tested",
    )
    line.add_argument("--jobs", type=int, default=1, help="cases at a time (default %(default)s)")
    line.add_argument("--threads", type=int, default=0, help="CPU threads a case (default: shared evenly)")


def run(args: argparse.Namespace) -> int:
    """The `compare` command."""
    from training.evaluate import alone_in, threads_of, watch
    from training.evaluation.arms import NCCT, SYN
    from training.evaluation.cases import CaseError, find_cases
    from training.evaluation.results import read_results
    from training.evaluation.running import Job
    from training.evaluation.tables_arms import write

    sources = find_cases(args.store)
    if not all(isinstance(source, Path) for source in sources):
        raise CaseError(f"{args.store} is not a store; make one by `prepare phantoms --held-out` or `prepare dicom`")
    arms = {SHIPPED: dict.fromkeys((NCCT, SYN), args.models / "vessel_segmentation")}
    for texts, given in ((args.arm, (NCCT, SYN)), (args.plain_arm, (NCCT,)), (args.syn_arm, (SYN,))):
        for name, folder in map(named, texts):
            arm = arms.setdefault(name, {})
            if not arm.keys().isdisjoint(given):
                raise CaseError(f"the arm {name} is given twice; give each arm a name of its own")
            arm.update(dict.fromkeys(given, folder))
    chosen = Arms(args.models, arms, args.threads or threads_of(args.jobs))
    job = Job(args.out, chosen.stamp(), partial(opened, chosen))
    with alone_in(args.out):
        failed = watch(sources, job, args.jobs)
        results = read_results(args.out, [source.name for source in sources if source.name not in failed])
        if not len(results):
            print(f"training: none of the {len(sources)} cases could be measured, see above", file=sys.stderr)
            return NOTHING
        print(write(results, args.out, json.dumps(job.stamp["weights"], indent=1)))
        return SOME_FAILED if failed else 0


def named(text: str) -> tuple[str, Path]:
    """NAME=FOLDER; a folder of models is replaced by the segmenter in it."""
    from training.evaluation.cases import CaseError

    name, _, folder = text.partition("=")
    if not name or not folder:
        raise CaseError(f"{text}: write NAME=FOLDER")
    inner = Path(folder, "vessel_segmentation")
    return name, inner if inner.is_dir() else Path(folder)


def opened(chosen: Arms) -> Measure:
    """Open the networks; returns what measures a case."""
    import torch

    from training.evaluation.arms import measure, open_segmenters, open_synthesiser

    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    enhance = open_synthesiser(chosen.models / "contrast_synthesis", chosen.threads)
    segmenters = open_segmenters(chosen.segmenters, chosen.threads)
    return lambda source: measure(source, enhance, segmenters)
