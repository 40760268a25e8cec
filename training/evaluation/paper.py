"""What the two papers print, as they print it.

Enhance-GAN: test sets 1 and 2 (42 and 40 patients). HiPaS (Nature Communications 2025): non-contrast CT of normal
(NRCT, 142 scans) and low resolution (LRCT, 56); the values by method are read off its figure 2.
"""

from __future__ import annotations

from collections.abc import Mapping

Pair = tuple[str, str]

IMAGES: Mapping[str, tuple[Pair, Pair]] = {
    "NCCT (no model)": (("28.14 ± 2.22", ".94 ± .03"), ("26.73 ± 1.88", ".91 ± .06")),
    "Attention U-Net (proposed)": (("27.12 ± 1.35", ".96 ± .01"), ("26.66 ± 1.41", ".94 ± .03")),
    "U-Net": (("27.00 ± 1.32", ".95 ± .01"), ("26.65 ± 1.38", ".94 ± .03")),
    "Swin UNETR": (("26.86 ± 1.39", ".95 ± .01"), ("26.36 ± 1.38", ".95 ± .03")),
    "3D attention U-Net": (("27.29 ± 1.59", ".85 ± .03"), ("26.44 ± 1.22", ".84 ± .03")),
}
"""Enhance-GAN, table 2: PSNR (dB) and MS-SSIM, mean ± SD, of test sets 1 and 2."""

NODULES: Mapping[str, tuple[tuple[str, str, str, str], tuple[str, str, str, str]]] = {
    "local_dice_pa": (
        (".88 (.84, .92)", ".89 (.87, .92)", "-2.745", ".005"),
        (".85 (.80, .91)", ".89 (.83, .92)", "-3.401", "<.001"),
    ),
    "frag_index_pa": (
        ("4.95 (2.80, 8.96)", "4.53 (2.00, 7.38)", "-4.483", "<.001"),
        ("8.68 (4.00, 12.17)", "5.92 (3.23, 9.03)", "-4.126", "<.001"),
    ),
    "local_hd95_pa": (
        (".10 (.05, .16)", ".08 (.05, .11)", "-3.457", ".001"),
        (".12 (.07, .24)", ".08 (.05, .16)", "-3.858", "<.001"),
    ),
    "local_dice_pv": (
        (".88 (.85, .92)", ".90 (.88, .92)", "-2.657", ".007"),
        (".89 (.81, .92)", ".90 (.87, .92)", "-2.836", ".004"),
    ),
    "frag_index_pv": (
        ("4.98 (2.69, 8.56)", "4.03 (1.54, 7.77)", "-4.395", "<.001"),
        ("4.54 (1.93, 7.81)", "3.82 (1.88, 7.14)", "-2.944", ".003"),
    ),
    "local_hd95_pv": (
        (".09 (.06, .14)", ".08 (.05, .11)", "-2.795", ".005"),
        (".10 (.05, .23)", ".08 (.06, 1.21 [sic])", "-3.333", ".001"),
    ),
}
"""Enhance-GAN, table 3: NCCT, Syn-CECT (median and quartiles), Z, p, of test sets 1 and 2."""

READERS: Mapping[str, Pair] = {
    "NCCT": ("3 [3, 4]", "3 [3, 3]"),
    "Syn-CECT": ("4 [3, 4]", "4 [4, 4]"),
    "CECT": ("5 [5, 5]", "5 [5, 5]"),
    "Friedman χ², p": ("70.71, <.001", "71.51, <.001"),
    "NCCT against Syn-CECT: W, p": ("33.0, .0011", "0.0, <.001"),
}
"""Enhance-GAN, table 4: separability of PA and PV, 1 to 5, median [quartiles], of test sets 1 and 2."""

COHORT: Mapping[str, tuple[str, str, str]] = {
    "patients": ("130", "42", "40"),
    "slices (pairs)": ("34,115", "10,734", "10,369"),
    "age, years": ("57.7 ± 13.5", "54.5 ± 12.0", "52.1 ± 13.7"),
    "men / women": ("72 / 58", "24 / 18", "23 / 17"),
    "nodule, mm³": ("1209 [439, 2480]", "1128 [435, 3595]", "674 [428, 1416]"),
    "slice thickness / increment, mm": ("1 / 1", "1 / 1", "1.25 / 1.25"),
    "scanner": ("Philips IQon", "Philips Ingenuity 128", "GE Revolution"),
    "kV": ("120", "120", "80-140"),
    "kernel; iterative reconstruction": ("B; iDose4", "B; iDose4", "Standard; ASiR-V"),
}
"""Enhance-GAN, table 1: training and validation, test sets 1 and 2."""

HIPAS_DICE: Mapping[str, tuple[str, ...]] = {
    "3D U-Net": ("76.2", "62.6", "68.2", "70.1", "64.0", "57.0", "63.7", "56.8"),
    "nnU-Net": ("80.6", "79.9", "74.9", "80.2", "68.2", "61.7", "67.3", "62.4"),
    "Pan et al.": ("77.1", "77.8", "72.7", "76.7", "72.6", "62.1", "71.8", "64.1"),
    "Qin et al.": ("84.8", "78.8", "82.6", "78.4", "79.0", "67.7", "78.0", "69.2"),
    "semi-automatic": ("85.3", "72.2", "83.5", "77.9", "76.5", "62.1", "75.1", "63.5"),
    "HiPaS": ("92.2", "90.5", "89.0", "91.6", "89.4", "89.5", "88.3", "88.9"),
}
"""HiPaS, figure 2: Dice in %, artery whole and in the lungs, vein whole and in the lungs; NRCT, then LRCT."""

HIPAS_TREE: Mapping[str, tuple[str, ...]] = {
    "3D U-Net": ("31.8", "48.7", "13.0", "17.1", "33.3", "43.1", "12.0", "13.6"),
    "nnU-Net": ("61.2", "65.0", "39.1", "39.1", "55.7", "71.7", "35.9", "38.0"),
    "Pan et al.": ("38.2", "53.0", "29.5", "31.2", "46.4", "52.1", "28.1", "29.3"),
    "Qin et al.": ("60.5", "78.4", "31.7", "48.9", "71.7", "72.7", "33.2", "45.3"),
    "semi-automatic": ("50.9", "80.8", "23.8", "38.2", "58.8", "68.9", "28.6", "37.3"),
    "HiPaS": ("92.2", "95.3", "95.1", "94.1", "94.9", "96.1", "95.3", "93.4"),
}
"""HiPaS, figure 2: skeleton length of artery and vein, bifurcations of artery and vein, % of the reference's; NRCT,
then LRCT."""

HIPAS_TEXT: Mapping[str, Pair] = {
    "Dice, artery": ("92.25 (92.12, 92.38)", "89.51 (88.79, 90.23)"),
    "Dice, vein": ("89.09 (88.91, 89.27)", "88.34 (87.49, 89.19)"),
    "sensitivity, both": ("not printed", "97.24 (97.10, 97.38)"),
    "AUC, artery / vein": ("99.93 / 99.91", "99.82 / 99.74"),
}
"""HiPaS, text: %, mean and 95 % interval, NRCT and LRCT."""

HIPAS_AGREEMENT: Mapping[str, str] = {
    "map of the NCCT against the truth": "89.95 (89.28, 90.63)",
    "map of the CTPA against the truth": "90.24 (89.62, 90.86)",
    "map of the NCCT against that of the CTPA": "88.98 (88.47, 89.48)",
}
"""HiPaS, text: Dice in %, 14 patients scanned both ways."""
