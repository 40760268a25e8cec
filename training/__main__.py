"""Door 2, ``python -m training``: phantom, bolus, prepare, fit, race, compare, evaluate, register, cohort, export.

Only the chosen command's module is imported, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import re
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """Parse a time such as 90s, 40m or 1.5h."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write 90s, 40m or 1.5h")
    return float(match[1]) * SECONDS[match[2]]


def seed_range(text: str) -> range:
    """Parse FIRST:END (END excluded)."""
    match = re.fullmatch(r"(\d+):(\d+)", text)
    if match is None or int(match[1]) >= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a range of seeds; write FIRST:END, END excluded")
    return range(int(match[1]), int(match[2]))


def parser() -> argparse.ArgumentParser:
    """The command line of the training door."""
    door = argparse.ArgumentParser(prog="python -m training", description="Train PulmoMAP's networks.")
    commands = door.add_subparsers(dest="command", required=True)
    if find_spec("training.phantom") is not None:
        import_module("training.phantom").add_parser(commands)
    _add_prepare(commands.add_parser("prepare", help="fill a store with training cases"))
    _add_fit(commands.add_parser("fit", help="train a network"))
    _add_race(commands.add_parser("race", help="train synthesisers for an equal time and measure them"))
    _add_evaluate(commands.add_parser("evaluate", help="measure the networks on cases with a contrast scan"))
    _add_register(commands.add_parser("register", help="bring one chest CT of a patient onto another"))
    _add_cohort(commands.add_parser("cohort", help="the anatomical study: vessel abundance over a table of patients"))
    _add_interpolate(commands.add_parser("interpolate", help="measure the inter-slice network on thick slices"))
    _add_bolus(commands.add_parser("bolus", help="artery and vein truth from one contrast CT, by its bolus timing"))
    import_module("training.compare").add_parser(commands)
    _add_export(commands.add_parser("export", help="write a run's network as a MONAI bundle"))
    return door


def _add_prepare(prepare: argparse.ArgumentParser) -> None:
    kinds = prepare.add_subparsers(dest="kind", required=True)
    phantoms = kinds.add_parser("phantoms", help="draw phantoms")
    phantoms.add_argument("--seeds", type=seed_range, required=True, metavar="FIRST:END")
    phantoms.add_argument("--out", type=Path, required=True, help="the store")
    phantoms.add_argument("--spacing", type=float, default=1.0, help="mm (default %(default)s)")
    phantoms.add_argument("--held-out", action="store_true", help="a store for evaluation, not for training")
    phantoms.add_argument("--processes", type=int, default=1, help="drawn at a time (default %(default)s)")
    dicom = kinds.add_parser("dicom", help="bring in a site's paired DICOM: spectral VNC and CECT, or NCCT and CECT")
    dicom.add_argument(
        "--non-contrast", type=Path, required=True, metavar="DIR", help="folder of the VNC or NCCT series"
    )
    dicom.add_argument("--contrast", type=Path, required=True, metavar="DIR", help="folder of the CECT series")
    dicom.add_argument(
        "--patients", type=Path, metavar="CSV", help="patient, non_contrast, contrast; by default by study"
    )
    dicom.add_argument("--out", type=Path, required=True, help="the store; its salt is kept beside it as OUT.salt")
    dicom.add_argument("--spacing", type=float, default=1.0, help="mm (default %(default)s)")
    levels = kinds.add_parser("levels", help="give every case that has none the levels of its vessels, by calibre")
    levels.add_argument("--data", type=Path, required=True, help="the store")
    synthesise = kinds.add_parser("synthesise", help="add the Syn-CECT of a trained synthesiser to every case")
    synthesise.add_argument("--data", type=Path, required=True, help="the store")
    synthesise.add_argument("--bundle", type=Path, required=True, help="bundle of the synthesiser")
    synthesise.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")


def _add_bolus(bolus: argparse.ArgumentParser) -> None:
    bolus.add_argument("series", type=Path, help="folder of a contrast-enhanced chest CT (DICOM)")
    bolus.add_argument("--out", type=Path, required=True, help="folder of the case: NIfTI, JSON, PNG")
    bolus.add_argument("--models", type=Path, help="run these networks on the de-enhanced scan and measure them")


def _add_fit(fit: argparse.ArgumentParser) -> None:
    fit.add_argument("recipe", help="enhance_gan, vessel_segmentation, another of training/recipes, or a YAML file")
    fit.add_argument("--preset", default="recommended", help="of the recipe (default %(default)s)")
    fit.add_argument("--data", type=Path, required=True, help="the store")
    fit.add_argument("--out", type=Path, required=True, help="folder of the run")
    fit.add_argument("--time-budget", type=seconds, help="e.g. 40m; without it the preset's steps are done")
    fit.add_argument("--resume", action="store_true", help="go on where the run stopped, if it has begun")
    fit.add_argument("--save-every", type=seconds, default=60.0, help="the most that a kill can cost (default 60s)")
    fit.add_argument(
        "--weights", type=Path, help="start from another run's or bundle's weights; of `mae`, the encoder's"
    )
    fit.add_argument("--threads", type=int, help="CPU threads")
    fit.add_argument(
        "--workers", type=int, help="processes that cut crops ahead (default: the cores but one beside a GPU, else 0)"
    )
    drawing = fit.add_argument_group("phantoms drawn meanwhile; the wait for the first ones counts as training time")
    drawing.add_argument("--draw", type=seed_range, metavar="FIRST:END", help="draw these seeds into the store")
    drawing.add_argument("--processes", type=positive, help="drawn at a time (default: all cores but one)")
    drawing.add_argument("--spacing", type=float, default=1.0, help="mm, of what is drawn (default %(default)s)")


def _add_race(race: argparse.ArgumentParser) -> None:
    race.add_argument("recipes", nargs="+", metavar="RECIPE", help="enhance_gan, enhance_gan_unet, ...")
    race.add_argument("--preset", default="recommended", help="of every recipe (default %(default)s)")
    race.add_argument("--data", type=Path, required=True, help="the store to train on")
    race.add_argument("--held-out", type=Path, required=True, help="store made by `prepare phantoms --held-out`")
    race.add_argument("--time-budget", type=seconds, required=True, help="of each recipe, e.g. 40m")
    race.add_argument("--out", type=Path, required=True, help="runs, figures and table; a killed one goes on there")
    race.add_argument(
        "--assembly",
        choices=("averaged", "centre", "stride3"),
        help="of 2.5D answers to a volume; stride3 measures three times as fast",
    )
    race.add_argument("--jobs", type=positive, default=1, help="cases measured at a time (default %(default)s)")
    race.add_argument("--threads", type=int, help="CPU threads")


def _add_evaluate(evaluate: argparse.ArgumentParser) -> None:
    evaluate.add_argument("cases", type=Path, nargs="?", metavar="CASES", help="folder of cases, CSV table, or store")
    evaluate.add_argument(
        "--out", type=Path, metavar="DIR", help="figures, tables and page; a killed run goes on there"
    )
    evaluate.add_argument("--models", type=Path, default=Path("models"), help="folder of the bundles")
    evaluate.add_argument(
        "--arm", action="append", default=[], metavar="NAME=BUNDLE", help="another synthesiser to compare; repeatable"
    )
    evaluate.add_argument("--jobs", type=positive, default=1, help="cases at a time (default %(default)s)")
    evaluate.add_argument("--threads", type=int, default=0, help="CPU threads a case (default: shared evenly)")
    evaluate.add_argument(
        "--register-all",
        action="store_true",
        help="register pairs that lie on one grid too; those that do not always are",
    )
    evaluate.add_argument("--roi-mm", type=float, default=50.0, help="diameter of the sphere around a nodule")
    study = evaluate.add_argument_group("reader study")
    study.add_argument("--reader-study", type=Path, metavar="DIR", help="prepare blinded pictures of CASES there")
    study.add_argument("--seed", type=int, default=1, help="of the order of the pictures (default %(default)s)")
    study.add_argument("--score", type=Path, nargs="+", metavar="ANSWERS", help="score what the readers sent back")


def positive(text: str) -> int:
    """Parse a number from 1 on."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _add_interpolate(interpolate: argparse.ArgumentParser) -> None:
    interpolate.add_argument("--data", type=Path, required=True, help="store made by `prepare phantoms --held-out`")
    interpolate.add_argument("--models", type=Path, default=Path("models"), help="holds slice_interpolation")
    interpolate.add_argument(
        "--vessels", type=Path, metavar="MODELS", help="also find arteries and veins by the networks there"
    )
    interpolate.add_argument("--thick", type=float, nargs="+", required=True, metavar="MM", help="slices this thick")
    interpolate.add_argument("--out", type=Path, help="write the figures as JSON too")


def _add_register(register: argparse.ArgumentParser) -> None:
    register.add_argument("fixed", type=Path, metavar="FIXED", help="scan whose grid stays: DICOM folder or NIfTI")
    register.add_argument("moving", type=Path, metavar="MOVING", help="scan that is brought onto it")
    register.add_argument("--out", type=Path, required=True, help="folder: transform, quality report, moved scan")
    register.add_argument("--landmarks", type=Path, metavar="CSV", help="points that correspond, to measure the error")
    register.add_argument("--labels", type=Path, metavar="NIFTI", help="a label map on the moving scan, moved with it")


def _add_cohort(cohort: argparse.ArgumentParser) -> None:
    cohort.add_argument("table", type=Path, metavar="CSV", help="one patient a line (docs/evaluation.md)")
    cohort.add_argument("--out", type=Path, required=True, help="folder: regression as text and CSV, scatter plots")


def _add_export(export: argparse.ArgumentParser) -> None:
    export.add_argument("run", type=Path, help="folder of the run")
    export.add_argument("--out", type=Path, required=True, help="folder of the bundle, e.g. models/contrast_synthesis")
    export.add_argument("--version", required=True, help="of the bundle, e.g. 0.1.0")
    export.add_argument("--any-size", action="store_true", help="even if too large for the repository; for `evaluate`")
    export.add_argument("--evaluation", type=Path, help="figures of `evaluate --out` for the model card")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; a refusal is one sentence and exit code 2."""
    args = parser().parse_args(arguments)
    try:
        status: int = import_module(f"training.{args.command}").run(args)
    except (ValueError, FileNotFoundError) as error:
        if type(error) is ValueError:
            raise
        print(f"training: {error}", file=sys.stderr)
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main())
