from __future__ import annotations

import math

import numpy as np
import pytest

from training.figures import dice, image_figures, label_figures, mean_figures, table

EVERYWHERE = np.ones((4, 8, 8), bool)


def test_a_constant_error_of_20_hu_is_40_db() -> None:
    cect = np.zeros((4, 8, 8), np.int16)
    figures = image_figures(cect + 20, cect, EVERYWHERE & (np.arange(8) < 3))
    assert figures["psnr"] == pytest.approx(40.0)
    assert figures["vessel_mae"] == figures["other_mae"] == 20


def test_vessel_and_other_error_are_kept_apart() -> None:
    cect = np.zeros((4, 8, 8), np.int16)
    image, vessels = cect.copy(), np.zeros(cect.shape, bool)
    vessels[0], image[0], image[1] = True, 300, 30
    figures = image_figures(image, cect, vessels)
    assert figures["vessel_mae"] == 300
    assert figures["other_mae"] == 10


def test_swapped_vessels_score_nothing_but_are_seen() -> None:
    truth = np.zeros((4, 8, 8), np.uint8)
    truth[:, 0], truth[:, 4] = 1, 2
    swapped = np.array([0, 2, 1], np.uint8)[truth]
    figures = label_figures(swapped, truth, EVERYWHERE)
    assert figures["dice_pa"] == figures["dice_pv"] == 0
    assert figures["sensitivity"] == 1
    assert figures["swapped"] == 1
    perfect = label_figures(truth, truth, EVERYWHERE)
    assert perfect["dice_pa"] == perfect["dice_pv_lungs"] == 1
    assert perfect["swapped"] == 0


def test_nothing_found_of_nothing_is_no_figure() -> None:
    nothing = np.zeros((2, 2, 2), bool)
    assert math.isnan(dice(nothing, nothing))
    assert mean_figures([{"dice": float("nan")}, {"dice": 0.5}]) == {"dice": 0.5}


def test_the_table_has_a_dash_where_a_method_has_no_figure() -> None:
    text = table({"no model": {"psnr": 27.126}, "shipped": {"psnr": 33.0, "dice_pa": 0.91}})
    assert "| no model | 27.1 | - |" in text
    assert "| shipped | 33.0 | 0.910 |" in text
