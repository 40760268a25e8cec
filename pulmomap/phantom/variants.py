"""Variants of the pulmonary vessels, and how often they are drawn.

Frequencies are rounded from the surgical literature on segmentectomy (right middle lobe vein to the atrium about one in
five, common trunk of the left veins one in seven, an ascending artery to the right posterior segment in most people,
lingular arteries from in front of the bronchus in one of five); the accessory artery of the left posterior basal
segment is the case that the Enhance-GAN paper shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Variants:
    """Which variants a patient has.

    Attributes:
        ascending_artery: the right posterior segment is fed by the interlobar artery.
        middle_lobe_vein: the middle lobe's vein enters the left atrium by itself.
        left_common_vein: both left veins enter the left atrium by one trunk.
        accessory_basal_artery: a second artery from the left pulmonary artery feeds the left posterior basal segment.
        mediastinal_lingular: the lingula is fed by the left artery's first branch, not by its interlobar part.
    """

    ascending_artery: bool
    middle_lobe_vein: bool
    left_common_vein: bool
    accessory_basal_artery: bool
    mediastinal_lingular: bool


def draw_variants(rng: np.random.Generator) -> Variants:
    """The variants of one patient."""
    chance = rng.random(5)
    return Variants(
        ascending_artery=bool(chance[0] < 0.85),
        middle_lobe_vein=bool(chance[1] < 0.2),
        left_common_vein=bool(chance[2] < 0.14),
        accessory_basal_artery=bool(chance[3] < 0.08),
        mediastinal_lingular=bool(chance[4] < 0.2),
    )
