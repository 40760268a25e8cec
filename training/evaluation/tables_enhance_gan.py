"""The tables of the Enhance-GAN paper, ours beside what it prints, in its own layout."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pulmomap.metrics.continuity import RATE
from training.evaluation import paper
from training.evaluation.results import Results
from training.evaluation.rows import CECT_VESSELS, NCCT, NCCT_VESSELS, SYN, SYN_VESSELS
from training.evaluation.table import NONE, TEST, VESSEL, Group, Table, comparison_cells, mean_sd, median_quartiles

NAMES = {
    "local_dice": ("LocalDice", 3),
    "frag_index": ("FragIndex, /cm³", 2),
    "local_hd95": ("HD95, mm", 2),
    "local_assd": ("ASSD, mm", 2),
}
"""Figures around a nodule: title and digits."""


def patients(results: Results) -> Table:
    """Enhance-GAN, table 1."""
    slices = [case["facts"]["slices"] for case in results.cases]
    steps = sorted({f"{case['facts']['spacing_mm'][0]:g}" for case in results.cases}, key=float)
    diameters = [one["diameter_mm"] for case in results.cases for one in case["nodules"] if one["diameter_mm"]]
    volumes = np.array([math.pi / 6 * diameter**3 for diameter in diameters])
    ours = {
        "patients": str(len(results)),
        "slices (pairs)": f"{sum(slices):,}",
        "nodule, mm³": median_quartiles(volumes, 0) + f"; {len(diameters)} nodules",
        "slice thickness / increment, mm": f"increment {', '.join(steps)}",
    }
    rows = tuple((name, ours.get(name, NONE), *printed) for name, printed in paper.COHORT.items())
    groups = (Group("ours", ("evaluated",)), Group("paper", ("training and validation", "test 1", "test 2"), True))
    drawn = sum(case["facts"]["reference"] == "labels" for case in results.cases)
    notes = (
        f"Reference map of PA and PV: drawn labels in {drawn} cases, the segmenter's own map of the true CECT in "
        f"{len(results) - drawn}, which flatters every row.",
        "Age, sex and scanner are not read: nothing that identifies a patient is kept.",
    )
    return Table("patients", "Who was measured (Enhance-GAN, table 1)", groups, rows, notes)


def images(results: Results) -> Table:
    """Enhance-GAN, table 2."""
    arms = [row for row in results.rows("synthesis") if row not in (NCCT, SYN)]
    rows = []
    for row in (NCCT, SYN, *arms):
        printed = paper.IMAGES.get({SYN: "Attention U-Net (proposed)"}.get(row, row))
        psnr = mean_sd(results.column("synthesis", row, "psnr"), 2)
        rows.append((row, psnr, mean_sd(results.column("synthesis", row, "ms_ssim"), 3), *_flat(printed, 4)))
    rows += [
        (row, NONE, NONE, *_flat(printed, 4))
        for row, printed in paper.IMAGES.items()
        if row not in (NCCT, "Attention U-Net (proposed)", *arms)
    ]
    columns = ("PSNR, dB", "MS-SSIM")
    return Table(
        "images",
        "Image quality over the whole volume (Enhance-GAN, table 2)",
        (Group("ours", columns), Group("paper, test 1", columns, True), Group("paper, test 2", columns, True)),
        tuple(rows),
        (
            "Mean ± SD; volumes clipped to -1000 to 1000 HU (R = 2000 HU). The paper states neither the range nor the "
            f"MS-SSIM window. MS-SSIM is volumetric, of {_scales(results)} scales (a side below 176 voxels has room "
            "for fewer, and values of different numbers of scales cannot be compared).",
            "Beside the Syn-CECT stands the attention U-Net, which the paper proposes.",
            "In the paper the NCCT itself has the higher PSNR of the two (28.14 against 27.12, 26.73 against 26.66): "
            "most of a volume is not vessel. Hence the next table.",
        ),
    )


def regions(results: Results) -> Table:
    """The errors where they matter, which no paper prints."""
    figures = {
        "body_psnr": ("PSNR body, dB", 2),
        "lungs_psnr": ("PSNR lungs, dB", 2),
        "vessel_psnr": ("PSNR vessels, dB", 2),
        "ssim": ("SSIM", 3),
        "nmae": ("NMAE", 4),
        "vessel_mae": ("MAE vessels, HU", 1),
        "other_mae": ("MAE elsewhere, HU", 1),
        "plain_mae": ("MAE where contrast changes nothing, HU", 1),
        "holes_per_metre": ("holes per metre", 2),
        "holes_share": ("share in holes", 3),
        "invented_per_metre": ("invented vessels per metre", 2),
    }
    rows = tuple(
        (row, *(mean_sd(results.column("synthesis", row, key), digits) for key, (_, digits) in figures.items()))
        for row in results.rows("synthesis")
    )
    notes = (
        "Where contrast changes nothing (more than 2 mm from every vessel and from all that the CECT brightens by 50 "
        "HU) the row of the NCCT is the noise floor, that of two scans: a synthesiser should stay within 3 HU of it.",
        "Hole: more than 5 mm of true centre line with less than half of the true enhancement. Invented vessel: more "
        "than 5 mm of something 100 HU brighter off all vessels. Both per metre of the centre lines that "
        f"the CECT brightens; up to {RATE:g} is held acceptable.",
    )
    group = Group("ours", tuple(title for title, _ in figures.values()))
    return Table("regions", "Image quality by region", (group,), rows, notes)


def nodules(results: Results) -> Table:
    """Enhance-GAN, table 3."""
    keys = [
        f"{name}_{vessel}" for vessel in VESSEL for name in ("local_dice", "frag_index", "local_hd95", "local_assd")
    ]
    compared = results.compared("nodules", keys)
    rows = []
    for key in keys:
        name, vessel = key.rsplit("_", 1)
        title, digits = NAMES[name]
        ours = [
            median_quartiles(results.column("nodules", row, key), digits)
            for row in (NCCT_VESSELS, SYN_VESSELS, CECT_VESSELS)
        ]
        printed = paper.NODULES.get(key)
        rows.append(
            (f"{VESSEL[vessel]} {title}", *ours, *comparison_cells(compared.get(key), digits), *_flat(printed, 8))
        )
    test = ("NCCT", "Syn-CECT", "Z", "p")
    return Table(
        "nodules",
        "Vessels within 50 mm around the nodules (Enhance-GAN, table 3)",
        (
            Group("ours, median (quartiles)", ("NCCT", "Syn-CECT", "true CECT")),
            Group("ours, Syn-CECT minus NCCT", TEST),
            Group("paper, test 1", test, True),
            Group("paper, test 2", test, True),
        ),
        tuple(rows),
        (
            "One value a patient, the mean over the patient's nodules. FragIndex: 26-connected fragments after cutting "
            "by the sphere; aim at the reference's own value, not at 0: " + _reference_index(results),
            "The paper's HD95 cannot be millimetres of a voxel surface at these Dice values (on a 1 mm grid it takes "
            "the values 0, 1, 1.41 ...); its scale is that of an average distance. Ours is HD95 in mm, with the "
            "average surface distance (ASSD) beside it.",
            "Worst rank: patients in whom an arm has no value lose by more than any other (Lachin 1999).",
        ),
    )


def _scales(results: Results) -> str:
    return ", ".join(str(one) for one in sorted({case["facts"]["ms_ssim_scales"] for case in results.cases}))


def _reference_index(results: Results) -> str:
    parts = []
    for vessel, title in VESSEL.items():
        values = results.column("nodules", SYN_VESSELS, f"reference_frag_index_{vessel}")
        parts.append(f"{title} {median_quartiles(values, 2)}")
    return ", ".join(parts) + "."


def _flat(printed: Sequence[Sequence[str]] | None, width: int) -> tuple[str, ...]:
    return tuple(cell for part in printed for cell in part) if printed else (NONE,) * width
