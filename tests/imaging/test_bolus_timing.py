"""Arteries and veins by bolus timing, against phantoms whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from highdicom import Volume
from scipy.ndimage import binary_dilation, binary_erosion, distance_transform_edt, gaussian_filter

from pulmomap.imaging.bolus_timing import ARTERY, VEIN, BolusReference, NoTiming, tell_apart
from pulmomap.imaging.deenhance import de_enhanced
from pulmomap.imaging.lungs import LungMask, lung_mask
from pulmomap.phantom.thorax import Phantom, draw

EARLY, LATE = 9, 28  # seeds whose arteries are brighter than their veins, and the other way round

Case = tuple[Phantom, LungMask, BolusReference]


@pytest.fixture(scope="module", params=[EARLY, LATE], ids=["early", "late"])
def case(request: pytest.FixtureRequest) -> Case:
    phantom = draw(request.param, 1.5)
    lungs = lung_mask(phantom.cect)
    return phantom, lungs, tell_apart(phantom.cect, lungs)


def test_the_labels_are_those_of_the_phantom(case: Case) -> None:
    phantom, _, reference = case
    truth = phantom.vessels.array
    for value in (ARTERY, VEIN):
        chosen = (reference.labels == value) & (truth > 0)
        assert chosen.sum() > 500
        assert (truth[chosen] == value).mean() > 0.99, value
    decided = (reference.labels == ARTERY) | (reference.labels == VEIN)
    assert (truth[decided] > 0).mean() > 0.9


def test_the_blood_is_as_bright_as_drawn(case: Case) -> None:
    phantom, _, reference = case
    blood = phantom.blood
    assert reference.artery == pytest.approx(blood.plain + blood.artery, abs=30)
    assert reference.vein == pytest.approx(blood.plain + blood.vein, abs=30)
    assert reference.atrium == pytest.approx(blood.plain + blood.vein, abs=10)
    assert reference.aorta == pytest.approx(blood.plain + blood.aorta, abs=20)


def test_the_scan_without_contrast_is_near_the_one_that_was_made(case: Case) -> None:
    phantom, lungs, reference = case
    plain = de_enhanced(phantom.cect, lungs, reference, plain=phantom.blood.plain)
    true, made, seen = (np.asarray(volume.array, float) for volume in (phantom.ncct, plain, phantom.cect))
    vessels = (phantom.vessels.array > 0) & (phantom.lungs.array > 0)
    before, after = (np.abs(image - true)[vessels].mean() for image in (seen, made))
    assert after < 0.45 * before
    deep = reference.pool & (phantom.labels.array == phantom.label_names["left_atrium"])
    assert made[deep].mean() == pytest.approx(phantom.blood.plain, abs=12)
    # The noise is the scan's own: as strong as before in undiluted blood.
    assert made[deep].std() == pytest.approx(seen[deep].std(), rel=0.5)
    # Nothing is added, and nothing far from blood is touched.
    assert (made <= seen + 0.5).all()
    assert np.array_equal(made[:, :10], np.rint(seen[:, :10]))


@pytest.mark.parametrize("case", [LATE], indirect=True)
def test_circulations_of_one_brightness_are_refused(case: Case) -> None:
    phantom, lungs, _ = case
    blood, hu = phantom.blood, phantom.cect.array.astype(np.float32)
    hu[phantom.vessels.array == ARTERY] += blood.vein - blood.artery
    with pytest.raises(NoTiming, match="one brightness"):
        tell_apart(phantom.cect.with_array(hu), lungs)


def test_a_scan_without_contrast_is_refused(case: Case) -> None:
    phantom, lungs, _ = case
    with pytest.raises(NoTiming, match="no descending aorta"):
        tell_apart(phantom.ncct, lungs)


def test_blood_in_the_streaks_of_undiluted_contrast_is_undecided(case: Case) -> None:
    phantom, lungs, reference = case
    cava = phantom.labels.array == phantom.label_names["superior_vena_cava"]
    hu = np.where(cava, 2500, phantom.cect.array)
    labels = tell_apart(phantom.cect.with_array(hu), lungs).labels
    away = np.full(cava.shape, np.inf)
    for number in np.flatnonzero(cava.any(axis=(1, 2))):
        away[number] = distance_transform_edt(~cava[number], sampling=phantom.cect.spacing[1:])
    decided = np.isin(reference.labels, (ARTERY, VEIN))
    assert (decided & (away < 14.0)).sum() > 100
    assert not np.isin(labels[away < 14.0], (ARTERY, VEIN)).any()
    # Elsewhere none takes the other class, though the border is found anew in the blood that is left.
    far = decided & (away > 20.0)
    still = far & np.isin(labels, (ARTERY, VEIN))
    assert np.array_equal(labels[still], reference.labels[still])
    assert still.sum() > 0.98 * far.sum()


def test_undiluted_contrast_becomes_blood_with_the_noise_of_blood(case: Case) -> None:
    phantom, lungs, _ = case
    rng = np.random.default_rng(7)
    cava = phantom.labels.array == phantom.label_names["superior_vena_cava"]
    undiluted = gaussian_filter(np.where(cava, 2500.0, 0.0), 0.6) / 2500.0
    hu = phantom.cect.array * (1 - undiluted) + rng.normal(2500.0, 500.0, cava.shape) * undiluted
    cect = phantom.cect.with_array(np.rint(hu).astype(np.int16))
    made = np.asarray(de_enhanced(cect, lungs, tell_apart(cect, lungs), plain=phantom.blood.plain).array, dtype=float)
    core, true = binary_erosion(cava, iterations=2), np.asarray(phantom.ncct.array, dtype=float)
    assert made[core].mean() == pytest.approx(phantom.blood.plain, abs=12)
    assert made[core].std() == pytest.approx(true[core].std(), rel=0.6)
    # No dark ring, and no bright one, where it ends in fat or other blood.
    ring = binary_dilation(cava, iterations=2) & ~core & (true > -150)
    assert np.percentile(made[ring] - true[ring], [1, 99]) == pytest.approx([0, 0], abs=180)


def test_geometry_is_kept(case: Case) -> None:
    phantom, lungs, reference = case
    plain = de_enhanced(phantom.cect, lungs, reference)
    assert isinstance(plain, Volume)
    assert np.array_equal(plain.affine, phantom.cect.affine)
    assert plain.array.dtype == np.int16
