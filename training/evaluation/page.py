"""The evaluation as one self-contained HTML page: tables, box plots, examples. No network, printable."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pulmomap.staging import write_atomically
from training.evaluation import tables_enhance_gan as gan
from training.evaluation import tables_hipas as hipas
from training.evaluation.boxplots import plots
from training.evaluation.readers import readers
from training.evaluation.registrations import registrations
from training.evaluation.results import Results
from training.evaluation.rows import SYN_VESSELS
from training.evaluation.running import picture_path
from training.evaluation.table import Table

PAGE = "evaluation.html"


def write_page(results: Results, out: Path, failed: Mapping[str, str], settings: Mapping[str, str]) -> Path:
    """Write the page and return where it is.

    Args:
        results: the measured cases.
        out: the output folder, with the pictures of the cases.
        failed: case -> why it could not be measured.
        settings: what a reader must know of the run, by name.
    """
    path = out / PAGE
    html = (
        _environment()
        .get_template("page.html.j2")
        .render(
            count=len(results),
            failed=failed,
            settings=settings,
            sections=_sections(results, out),
            plots={heading: [Markup(one) for one in drawn] for heading, drawn in plots(results).items()},  # noqa: S704 - ours
            examples=_examples(results, out),
            missing=_missing(results),
        )
    )
    write_atomically(path, html.encode())
    return path


def _sections(results: Results, out: Path) -> dict[str, list[Table]]:
    whole = [hipas.dice(results), hipas.tree(results), hipas.detected(results), hipas.printed_text(results)]
    around = [gan.nodules(results)] if results.rows("nodules") else []
    return {
        "Patients": [gan.patients(results), *registrations(results)],
        "Images": [gan.images(results), gan.regions(results)],
        "Around the nodules": around,
        "Whole lung": [*whole, hipas.agreement(results)],
        "Readers": [readers(out)],
    }


def _examples(results: Results, out: Path) -> list[tuple[str, str]]:
    """Captions and pictures of the cases with the best, the middle and the worst Dice: nobody chose them."""
    dice = np.nanmean([results.column("segmentation", SYN_VESSELS, f"dice_{one}") for one in ("pa", "pv")], axis=0)
    order = [int(place) for place in np.argsort(dice, kind="stable") if np.isfinite(dice[place])]
    if not order:
        return []
    chosen = {"best": order[-1], "middle": order[(len(order) - 1) // 2], "worst": order[0]}
    unique = {place: [word for word, other in chosen.items() if other == place] for place in chosen.values()}
    return [
        (
            f"{results.names[place]}: {' and '.join(words)} of {len(order)} by mean Dice with the Syn-CECT "
            f"({dice[place]:.3f})",
            _embedded(picture_path(out, results.names[place])),
        )
        for place, words in unique.items()
    ]


def _missing(results: Results) -> list[tuple[str, str, str]]:
    """Row, figure and the counted reasons of every figure that some case or nodule lacks."""
    found = []
    for task in ("synthesis", "segmentation", "nodules"):
        for row in results.rows(task):
            for figure in results.figures(task):
                if reasons := results.missing(task, row, figure):
                    counted = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
                    found.append((row, figure, counted))
    return found


def _embedded(path: Path) -> str:
    return "data:image/webp;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).resolve().parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
