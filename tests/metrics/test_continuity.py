"""Holes and invented vessels, in cases made so that the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pulmomap.metrics.continuity import Continuity, continuity, truth_of
from pulmomap.metrics.outcome import Status
from pulmomap.metrics.skeleton import skeletonise

SHAPE = (80, 40, 40)
ISOTROPIC = (1.0, 1.0, 1.0)
GAIN = 300.0


def tube(first: int, last: int, row: int = 12, column: int = 12, radius: float = 2.2) -> NDArray[np.bool_]:
    """A straight vessel along the slices, from voxel to voxel."""
    z, y, x = np.ogrid[tuple(slice(0, side) for side in SHAPE)]
    return np.asarray(((y - row) ** 2 + (x - column) ** 2 <= radius**2) & (z >= first) & (z <= last))


VESSEL = tube(5, 74)
NCCT = np.where(VESSEL, 40.0, -850.0)


def judged(
    image: NDArray[np.floating],
    *,
    vessel: NDArray[np.bool_] = VESSEL,
    noise: float = 0.0,
    spacing: tuple[float, float, float] = ISOTROPIC,
) -> Continuity:
    """An image against the CECT in which all of ``vessel`` is enhanced, with independent noise in both scans."""
    rng = np.random.default_rng(0)
    plain = np.where(vessel, 40.0, -850.0)
    ncct, cect = plain + rng.normal(0, noise, SHAPE), plain + GAIN * vessel + rng.normal(0, noise, SHAPE)
    truth = truth_of(ncct, cect, vessel, [skeletonise(vessel, spacing)], spacing)
    return continuity(image - plain + ncct, ncct, truth, spacing)


@pytest.mark.parametrize("noise", [0.0, 40.0])
def test_the_contrast_scan_itself_has_neither(noise: float) -> None:
    found = judged(NCCT + GAIN * VESSEL, noise=noise)
    assert found.holes == found.invented == ()
    assert found.metres == pytest.approx(0.067, abs=0.004)  # 70 mm, thinned at both ends
    assert found.holes_per_metre.value == found.invented_per_metre.value == found.holes_share.value == 0


@pytest.mark.parametrize("noise", [0.0, 40.0])
@pytest.mark.parametrize(("gap", "holes"), [(3, 0), (12, 1), (30, 1)])
def test_a_dark_stretch_is_a_hole_of_its_length(gap: int, holes: int, noise: float) -> None:
    """Half the enhancement reaches the middle of the last lit voxel's border: the hole is as long as the gap."""
    found = judged(NCCT + GAIN * (VESSEL & ~tube(25, 24 + gap)), noise=noise)
    assert len(found.holes) == holes
    assert found.invented == ()
    if holes:
        assert found.holes[0] == pytest.approx(gap - 1, abs=1.1)
        assert found.holes_share.value == pytest.approx((gap - 1) / 67, abs=0.03)


def test_two_holes_are_two_and_the_longest_comes_first() -> None:
    found = judged(NCCT + GAIN * (VESSEL & ~tube(15, 24) & ~tube(45, 64)))
    assert len(found.holes) == 2
    assert found.holes[0] > found.holes[1] > 5
    assert found.holes_per_metre.value == pytest.approx(2 / found.metres)


def test_half_the_enhancement_decides() -> None:
    assert judged(NCCT + 0.55 * GAIN * VESSEL).holes == ()
    assert len(judged(NCCT + 0.45 * GAIN * VESSEL).holes) == 1
    assert len(judged(NCCT).holes) == 1, "no model is one hole from end to end"


def test_a_vessel_that_is_not_enhanced_in_truth_is_no_hole() -> None:
    both = VESSEL | tube(5, 74, row=30)
    plain = np.where(both, 40.0, -850.0)
    cect = plain + GAIN * VESSEL
    truth = truth_of(plain, cect, both, [skeletonise(both, ISOTROPIC)], ISOTROPIC)
    assert continuity(cect, plain, truth, ISOTROPIC).holes == ()
    assert truth.metres < 0.08


@pytest.mark.parametrize(("length", "count"), [(4, 0), (14, 1)])
def test_a_bright_tube_off_the_vessels_is_invented(length: int, count: int) -> None:
    found = judged(NCCT + GAIN * (VESSEL | tube(30, 29 + length, row=30, column=30)))
    assert len(found.invented) == count
    assert found.holes == ()
    if count:
        assert found.invented[0] == pytest.approx(length, abs=4.5)  # thinning and smoothing shorten a stump


def test_a_ball_and_a_faint_tube_are_not_invented_vessels() -> None:
    z, y, x = np.ogrid[tuple(slice(0, side) for side in SHAPE)]
    ball = (z - 40) ** 2 + (y - 28) ** 2 + (x - 28) ** 2 <= 36
    faint = 80 * tube(10, 60, row=30, column=30)
    assert judged(NCCT + GAIN * VESSEL + GAIN * ball).invented == ()
    assert judged(NCCT + GAIN * VESSEL + faint).invented == ()


def test_a_vessel_painted_too_wide_is_not_invented() -> None:
    assert judged(NCCT + GAIN * tube(5, 74, radius=4.0)).invented == ()


def test_lengths_are_millimetres_on_any_grid() -> None:
    image = NCCT + GAIN * (VESSEL & ~tube(25, 36))
    fine, coarse = (judged(image, spacing=(step, 1.0, 1.0)) for step in (1.0, 2.0))
    assert coarse.holes[0] == pytest.approx(2 * fine.holes[0], abs=2.1)
    assert coarse.metres == pytest.approx(2 * fine.metres, rel=0.05)


def test_noise_alone_makes_no_vessel() -> None:
    rng = np.random.default_rng(5)
    grain = gaussian_filter(rng.normal(0, 1, SHAPE), 0.7)
    assert judged(NCCT + GAIN * VESSEL + 30 * grain / grain.std(), noise=30.0).invented == ()


def test_without_vessels_there_is_no_rate() -> None:
    nothing = np.zeros(SHAPE, bool)
    found = judged(NCCT, vessel=nothing)
    assert found.holes_per_metre.status is Status.REF_EMPTY
    with pytest.raises(ValueError, match="shape"):
        truth_of(NCCT, NCCT[1:], VESSEL, [], ISOTROPIC)
