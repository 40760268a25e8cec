"""Results of an evaluation with known numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pulmomap.report.figures import as_webp
from training.evaluation.results import Results
from training.evaluation.rows import CECT_VESSELS, NCCT, NCCT_VESSELS, SYN, SYN_VESSELS
from training.evaluation.running import CASES, picture_path, result_path

IMAGES = (
    *(f"{where}{name}" for where in ("", "body_", "lungs_", "vessel_") for name in ("psnr", "nmae")),
    *("ssim", "ms_ssim", "vessel_mae", "other_mae", "plain_mae"),
    *("holes_per_metre", "holes_share", "invented_per_metre"),
)
VESSELS = (
    *(
        f"{name}_{vessel}"
        for vessel in ("pa", "pv")
        for name in (
            *("dice", "sensitivity", "specificity", "length", "branches", "precision", "cldice", "sl_ratio"),
            *("bc_ratio", "hd95", "length_per_litre", "bc_per_litre", "agreement"),
        )
    ),
    *("dice_pa_lungs", "dice_pv_lungs", "sensitivity", "mcs", "mcs_lungs"),
)
NODULES = tuple(
    f"{name}_{vessel}"
    for vessel in ("pa", "pv")
    for name in ("local_dice", "frag_index", "reference_frag_index", "local_hd95", "local_assd")
)


def made_results(count: int, seed: int = 0) -> Results:
    """Random figures between 0 and 1 that rise from no model to the true CECT; two nodules a case."""
    rng = np.random.default_rng(seed)

    def rows(names: Sequence[str], figures: Sequence[str]) -> dict[str, dict[str, Any]]:
        base = dict(zip(figures, rng.uniform(0.2, 0.6, len(figures)).tolist(), strict=True))
        return {
            row: {key: value + 0.1 * place + rng.normal(0, 0.02) for key, value in base.items()}
            for place, row in enumerate(names)
        }

    segmenters = (NCCT_VESSELS, SYN_VESSELS, CECT_VESSELS)
    return Results(
        tuple(
            {
                "case": f"case-{number:02d}",
                "facts": {
                    "slices": 300 + number,
                    "spacing_mm": [1.0, 0.7, 0.7],
                    "reference": "labels",
                    "ms_ssim_scales": 5,
                },
                "synthesis": rows((NCCT, SYN), IMAGES),
                "segmentation": rows(segmenters, VESSELS),
                "nodules": [
                    {"name": f"Nodule {n}", "diameter_mm": 10.0 * n, "rows": rows(segmenters, NODULES)} for n in (1, 2)
                ],
            }
            for number in range(1, count + 1)
        )
    )


def write_results(results: Results, out: Path) -> None:
    """The files of the cases, each with a grey picture."""
    (out / CASES).mkdir(parents=True)
    for case in results.cases:
        result_path(out, case["case"]).write_text(json.dumps(case))
        picture_path(out, case["case"]).write_bytes(as_webp(Image.new("RGB", (40, 20), (90, 90, 90))))
