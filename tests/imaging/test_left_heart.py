"""The descending aorta among what looks like it, and the left atrium before it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pulmomap.imaging.left_heart import Aorta, descending_aorta, left_atrium, smoothed

SPACING = (2.0, 1.5, 1.5)
BLOOD = 180.0
Floats = NDArray[np.float32]


def chest() -> Floats:
    """Radius 10.5 mm, 120 mm long, at row 55, column 40."""
    hu = np.zeros((60, 80, 80), dtype=np.float32)
    hu[:, disc(55, 40, 7)] = 400.0
    return hu


def disc(row: int, column: int, radius: int) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[:80, :80]
    return np.asarray((rows - row) ** 2 + (columns - column) ** 2 < radius**2)


def found(hu: Floats, front: float = 40.0) -> Aorta | None:
    smooth = smoothed(hu, SPACING)
    return descending_aorta(smooth, smooth > BLOOD, SPACING, front)


def atrium_before(hu: Floats, aorta: Aorta) -> float | None:
    smooth = smoothed(hu, SPACING)
    return left_atrium(smooth, smooth > BLOOD, SPACING, aorta)


def test_the_longest_tube_is_taken() -> None:
    hu = chest()
    hu[20:50, disc(60, 15, 7)] = 700.0  # as wide, 60 mm long
    aorta = found(hu)
    assert aorta is not None
    assert aorta.blood == pytest.approx(400.0, abs=1)
    assert len(aorta.centres) == len(hu)
    assert np.abs(aorta.centres[:, 1:] - (55, 40)).max() <= 1


def test_a_vein_that_leans_on_it_does_not_hide_it() -> None:
    hu = chest()
    hu[25:45, 43:50, 30:75] = 350.0  # 40 mm of a vessel that runs in front and touches the aorta
    aorta = found(hu)
    assert aorta is not None
    assert len(aorta.centres) > 50


def test_a_vessel_in_front_of_the_lungs_middle_is_not_it() -> None:
    hu = np.zeros((60, 80, 80), dtype=np.float32)
    hu[:, disc(20, 20, 7)] = 700.0
    assert found(hu) is None
    assert found(hu, front=0.0) is not None


def test_a_chamber_a_short_tube_and_no_contrast_are_none() -> None:
    chamber = np.zeros((60, 80, 80), dtype=np.float32)
    chamber[:, 42:66, 5:75] = 400.0  # as thick as an aorta, and goes on sideways
    assert found(chamber) is None
    assert found(chest()[:30]) is None
    assert found(chest() * 0.1) is None


def test_noise_tears_no_holes() -> None:
    hu = np.where(chest() > 0, np.float32(220.0), np.float32(40.0))
    hu += np.random.default_rng(5).normal(0, 40, hu.shape).astype(np.float32)
    aorta = found(hu)
    assert aorta is not None
    assert aorta.blood == pytest.approx(220.0, abs=8)
    assert len(aorta.centres) >= 50


def test_a_gap_is_bridged_and_a_longer_one_is_not() -> None:
    hu = chest()
    hu[28:31] = 0.0
    bridged = found(hu)
    assert bridged is not None
    assert len(bridged.centres) > 50
    hu[24:36] = 0.0
    assert found(hu) is None


def test_the_atrium_lies_before_the_aorta() -> None:
    hu = chest()
    aorta = found(hu)
    assert aorta is not None
    assert atrium_before(hu, aorta) is None
    hu[10:30, 18:40, 25:60] = 330.0
    hu[45:60, 18:40, 25:60] = 500.0  # above it the pulmonary artery, which is not asked
    assert atrium_before(hu, aorta) == pytest.approx(330.0, abs=1)
