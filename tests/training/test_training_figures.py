from __future__ import annotations

import math

import numpy as np
import pytest
from highdicom import Volume

from training.figures import comparison_table, image_figures, label_figures, mean_figures, table

SHAPE = (16, 20, 20)
EVERYWHERE = np.ones(SHAPE, bool)


def volume(array: np.ndarray) -> Volume:
    return Volume(array.astype(np.uint8), np.eye(4), coordinate_system="PATIENT")


def two_bars() -> np.ndarray:
    """An artery and a vein, straight and five voxels apart."""
    truth = np.zeros(SHAPE, np.uint8)
    truth[:, 4:7, 4:7], truth[:, 12:15, 12:15] = 1, 2
    return truth


def test_a_constant_error_of_20_hu_is_40_db() -> None:
    cect = np.zeros(SHAPE, np.int16)
    figures = image_figures(cect + 20, cect, EVERYWHERE & (np.arange(20) < 3), EVERYWHERE)
    assert figures["psnr"] == figures["vessel_psnr"] == figures["lungs_psnr"] == pytest.approx(40.0)
    assert figures["vessel_mae"] == figures["other_mae"] == 20


def test_vessel_and_other_error_are_kept_apart() -> None:
    cect = np.zeros(SHAPE, np.int16)
    image, vessels = cect.copy(), np.zeros(SHAPE, bool)
    vessels[0], image[0], image[1] = True, 300, 150
    figures = image_figures(image, cect, vessels, EVERYWHERE)
    assert figures["vessel_mae"] == 300
    assert figures["other_mae"] == 10
    assert figures["ms_ssim"] < image_figures(cect, cect, vessels, EVERYWHERE)["ms_ssim"] == pytest.approx(1.0)


def test_swapped_vessels_score_nothing_but_are_seen() -> None:
    truth = two_bars()
    swapped = np.array([0, 2, 1], np.uint8)[truth]
    figures = label_figures(volume(swapped), volume(truth), volume(EVERYWHERE))
    assert figures["dice_pa"] == figures["dice_pv"] == figures["length_pa"] == 0
    assert figures["sensitivity"] == 1
    assert figures["mcs"] == pytest.approx(0.5)
    perfect = label_figures(volume(truth), volume(truth), volume(EVERYWHERE))
    assert perfect["dice_pa"] == perfect["dice_pv_lungs"] == perfect["branches_pa"] == 1
    assert perfect["mcs"] == perfect["hd95_pv"] == 0


def test_nothing_found_of_nothing_is_no_figure() -> None:
    nothing = volume(np.zeros(SHAPE))
    figures = label_figures(nothing, nothing, volume(EVERYWHERE))
    assert math.isnan(figures["dice_pa"])
    assert mean_figures([{"dice": float("nan")}, {"dice": 0.5}]) == {"dice": 0.5}


def test_comparisons_are_one_row_a_figure() -> None:
    row = {"difference": -12.34, "interval": (-20.0, -5.0), "test": "paired t", "p": 0.0123, "n": 9}
    assert "| vessel_mae | -12.3 | -20.0 to -5.0 | paired t | 0.0123 | 9 |" in comparison_table({"vessel_mae": row})


def test_the_table_has_a_dash_where_a_method_has_no_figure() -> None:
    text = table({"no model": {"psnr": 27.126}, "shipped": {"psnr": 33.0, "dice_pa": 0.91}})
    assert "| no model | 27.1 | - |" in text
    assert "| shipped | 33.0 | 0.910 |" in text
