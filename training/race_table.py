"""The table of `race`: Enhance-GAN's table 2 beside ours, every arm tested against no model patient by patient."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pulmomap.metrics.comparison import PairedComparison, compare, holm
from pulmomap.metrics.continuity import RATE
from pulmomap.staging import write_atomically
from training.evaluation import paper
from training.evaluation.results import LEAST, Results
from training.evaluation.rows import NCCT, lower_is_better
from training.evaluation.table import NONE, mean_sd, p_text
from training.trained import Trained

ROWS = {
    "enhance_gan": "Attention U-Net (proposed)",
    "enhance_gan_unet": "U-Net",
    "enhance_gan_swinunetr": "Swin UNETR",
    "enhance_gan_3d": "3D attention U-Net",
}
"""The paper's names of the recipes."""

FIGURES = {
    "psnr": ("PSNR, dB", 2),
    "ms_ssim": ("MS-SSIM", 3),
    "vessel_mae": ("MAE in PA and PV, HU", 1),
    "other_mae": ("MAE elsewhere, HU", 1),
    "plain_mae": ("MAE where contrast changes nothing, HU", 1),
    "holes_per_metre": ("holes per metre", 2),
    "invented_per_metre": ("invented vessels per metre", 2),
}
"""Title and digits."""

NOTES = [
    "* PSNR and MS-SSIM over the whole scan, clipped to -1000 to 1000 HU (R = 2000 HU). The paper states no range.",
    "* Where contrast changes nothing (over 2 mm from every vessel and from all that the CECT brightens by 50 HU), the",
    "  row of no model is the noise floor, that of two scans; a synthesiser should stay within 3 HU of it.",
    "* Hole: over 5 mm of true centre line with less than half of the true enhancement. Invented vessel: over 5 mm of",
    "  something 100 HU brighter off all vessels. Per metre of the centre lines that the CECT brightens; up to",
    f"  {RATE:g} is held acceptable.",
]

REPORT, SUMMARY = "comparison.md", "comparison.json"


def write_report(results: Results, trained: Mapping[str, Trained], out: Path) -> str:
    """Write ``comparison.md`` and ``comparison.json``; returns the former."""
    rows = [NCCT, *trained]
    tests = {row: tested(results, row) for row in trained}
    flat = {f"{row}/{key}": one.p for row, found in tests.items() for key, one in found.items()}
    corrected = holm(flat)
    content = {
        "cases": results.names,
        "arms": {
            name: {"parameters": one.parameters, "steps": one.steps, "seconds": round(one.seconds)}
            for name, one in trained.items()
        },
        "means": {row: {key: _mean(results, row, key) for key in FIGURES} for row in rows},
        "against_no_model": {
            row: {
                key: {
                    "difference": one.difference,
                    "interval": one.interval,
                    "test": one.test,
                    "p_holm": corrected[f"{row}/{key}"],
                }
                for key, one in found.items()
            }
            for row, found in tests.items()
        },
    }
    write_atomically(out / SUMMARY, (json.dumps(content, indent=1) + "\n").encode())
    parts = (["# Synthesisers trained for an equal time"], _images(results, rows), _tests(tests, corrected))
    text = "\n\n".join("\n".join(part) for part in (*parts, _arms(trained), NOTES)) + "\n"
    write_atomically(out / REPORT, text.encode())
    return text


def tested(results: Results, row: str) -> dict[str, PairedComparison]:
    """An arm minus no model in every figure that enough patients have."""
    found = {}
    for key in FIGURES:
        ours, plain = (results.column("synthesis", one, key) for one in (row, NCCT))
        if np.isfinite(ours + plain).sum() >= LEAST:
            found[key] = compare(ours, plain, lower_is_better=lower_is_better(key))
    return found


def _images(results: Results, rows: list[str]) -> list[str]:
    titles = [title for title, _ in FIGURES.values()]
    lines = [
        f"{len(results)} patients, mean ± SD; beside it what the paper prints for its test sets 1 and 2.",
        "",
        "| | " + " | ".join([*titles, "paper 1: PSNR", "MS-SSIM", "paper 2: PSNR", "MS-SSIM"]) + " |",
        "|---" * (len(titles) + 5) + "|",
    ]
    for row in rows:
        ours = [mean_sd(results.column("synthesis", row, key), digits) for key, (_, digits) in FIGURES.items()]
        printed = [cell for part in paper.IMAGES.get(row, ((NONE, NONE),) * 2) for cell in part]
        lines.append("| " + " | ".join([row, *ours, *printed]) + " |")
    return lines


def _tests(tests: Mapping[str, Mapping[str, PairedComparison]], corrected: Mapping[str, float]) -> list[str]:
    lines = [
        "Each arm minus no model, patient by patient: difference, 95 % interval, p after Holm's correction over the "
        f"{len(corrected)} tests.",
        "",
        "| | " + " | ".join(title for title, _ in FIGURES.values()) + " |",
        "|---" * (len(FIGURES) + 1) + "|",
    ]
    for row, found in tests.items():
        cells = [_test(found.get(key), corrected.get(f"{row}/{key}"), digits) for key, (_, digits) in FIGURES.items()]
        lines.append("| " + " | ".join([row, *cells]) + " |")
    return lines


def _test(one: PairedComparison | None, p: float | None, digits: int) -> str:
    if one is None or p is None:
        return NONE
    low, high = (f"{value:+.{digits}f}" for value in one.interval)
    text = p_text(p)
    return f"{one.difference:+.{digits}f} ({low} to {high}), p {'' if text.startswith('<') else '= '}{text}"


def _arms(trained: Mapping[str, Trained]) -> list[str]:
    lines = ["| trained | parameters | steps | seconds |", "|---|---|---|---|"]
    return lines + [
        f"| {name} | {one.parameters:,} | {one.steps} | {round(one.seconds)} |" for name, one in trained.items()
    ]


def _mean(results: Results, row: str, key: str) -> Any:
    values = results.column("synthesis", row, key)
    return float(np.nanmean(values)) if np.isfinite(values).any() else None
