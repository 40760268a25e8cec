"""What is refused by its pixels, on drawn bodies and on real CT."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from highdicom import Volume
from pydantic import ValidationError

from pulmomap.imaging.content import ContentReport, ContentRules, check_content
from pulmomap.imaging.lungs import lung_mask
from pulmomap.refusals import Refusal, Refused

Draw = Callable[..., Any]
VOLUMES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "volumes"


def check(volume: Volume, rules: ContentRules | None = None) -> ContentReport:
    return check_content(volume, lung_mask(volume), rules or ContentRules())


def refused(volume: Volume, code: Refusal, rules: ContentRules | None = None) -> str:
    with pytest.raises(Refused) as refusal:
        check(volume, rules)
    assert refusal.value.code is code, str(refusal.value)
    return refusal.value.detail


def test_a_whole_non_contrast_chest_passes_with_its_facts(body: Draw) -> None:
    report = check(body().volume())
    assert report.blood_pool == pytest.approx(46, abs=5)
    assert report.enhanced < 1
    assert report.mediastinum > 150
    assert report.left.volume > report.right.volume > 1000


@pytest.mark.parametrize("blood", [105.0, 420.0])
def test_enhanced_blood_is_refused_with_its_hu(body: Draw, blood: float) -> None:
    detail = refused(body(blood_hu=blood).volume(), Refusal.CONTRAST_PRESENT)
    measured = float(detail.split("blood pool at ")[1].split(" HU")[0])
    assert measured == pytest.approx(blood, abs=10)
    assert "30-60 HU" in detail


@pytest.mark.parametrize("blood", [30.0, 70.0])
def test_blood_without_contrast_passes_up_to_a_high_haematocrit(body: Draw, blood: float) -> None:
    check(body(blood_hu=blood).volume())


def test_a_bolus_in_the_right_heart_alone_is_enhanced(body: Draw) -> None:
    bolus = (((5.0, -15.0, -20.0), (22.0, 22.0, 22.0)), 300.0)
    assert "HU" in refused(body(extra=(bolus,)).volume(), Refusal.CONTRAST_PRESENT)


@pytest.mark.parametrize(
    ("shape", "hu"),
    [
        (((10.0, -20.0, -10.0), (9.0, 9.0, 9.0)), 600.0),  # calcified valve and lymph node, 3 ml
        (((5.0, 0.0, 60.0), (12.0, 12.0, 4.0)), 3000.0),  # a metal valve
        (((-10.0, -5.0, 20.0), (2.5, 2.5, 60.0)), 1500.0),  # a catheter in the superior vena cava
    ],
)
def test_calcium_and_metal_are_no_contrast_medium(body: Draw, shape: Any, hu: float) -> None:
    check(body(spacing=2.5, extra=((shape, hu),)).volume())


def test_noise_of_a_low_dose_scan_is_no_contrast_medium(body: Draw) -> None:
    assert check(body(spacing=2.5, noise=40.0).volume()).blood_pool < 60


@pytest.mark.parametrize(
    ("keep", "end", "flip"), [(slice(None, 44), "highest", False), (slice(26, None), "lowest", True)]
)
def test_cut_lungs_are_refused_by_the_end_that_cuts_them(body: Draw, keep: slice, end: str, flip: bool) -> None:
    volume = body().volume()[keep]
    detail = refused(volume.flip_spatial(0) if flip else volume, Refusal.LUNGS_CUT)
    assert f"left lung in the {end} slice" in detail
    assert detail.count("slice") == 2


def test_the_tip_of_a_lung_may_touch_the_end(body: Draw) -> None:
    volume = body().volume()
    z = volume.affine[2, 3] + 4.0 * np.arange(len(volume.array))
    check(volume[: int((z < 125 - 4).sum())])


def test_one_lung_is_no_chest(body: Draw) -> None:
    lungs = (((-85.0, 0.0, 0.0), (50.0, 80.0, 120.0)),)
    assert "two lungs" in refused(body(lungs=lungs).volume(), Refusal.NOT_CHEST)


def test_an_abdomen_with_gas_in_the_bowel_is_no_chest(body: Draw) -> None:
    bowel = tuple((((x, -40.0, z), (25.0, 20.0, 30.0)), -1000.0) for x in (-90.0, 90.0) for z in (-60.0, 20.0))
    refused(body(lungs=(), airway=False, extra=bowel).volume(), Refusal.NOT_CHEST)


def test_bottles_of_air_are_no_lungs(body: Draw) -> None:
    refused(body(lung_hu=-1000.0, airway=False).volume(), Refusal.NOT_CHEST)


def test_air_spaces_without_a_heart_between_them_are_no_chest(body: Draw) -> None:
    hollow = (((0.0, 0.0, 0.0), (130.0, 80.0, 120.0)),)
    heart = ((10.0, -15.0, -20.0), (60.0, 60.0, 80.0))
    wall = ((0.0, 0.0, 0.0), (8.0, 400.0, 400.0))
    chest = body(lungs=hollow, extra=((heart, -850.0), (wall, 40.0)), airway=False)
    assert "soft tissue" in refused(chest.volume(), Refusal.NOT_CHEST)


def test_small_lungs_are_refused_with_their_volume(body: Draw) -> None:
    detail = refused(body().volume(), Refusal.NOT_CHEST, ContentRules(smallest_lung_ml=2200))
    assert "right lung would hold" in detail


@pytest.mark.parametrize("values", ["noise", "water", "air"])
def test_no_body_at_all_is_no_chest(values: str) -> None:
    array = {
        "noise": np.random.default_rng(1).normal(-500, 400, (60, 90, 90)),
        "water": np.zeros((60, 90, 90)),
        "air": np.full((60, 90, 90), -1000.0),
    }[values]
    affine = np.array([[0, 0, 4, -180], [0, 4, 0, -180], [4, 0, 0, 0], [0, 0, 0, 1]], dtype=float)
    refused(Volume(array.astype(np.float32), affine, "PATIENT"), Refusal.NOT_CHEST)


def test_rules_are_strict() -> None:
    with pytest.raises(ValidationError):
        ContentRules(blood_pool="high")
    with pytest.raises(ValidationError):
        ContentRules(unknown=1)


def series(folder: Path) -> Volume:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return Volume.from_simpleitk(reader.Execute())


def nifti(name: str) -> Volume:
    if not (VOLUMES / name).is_file():
        pytest.skip("real CT is not part of the repository; ../shared/data/volumes is not there")
    return Volume.from_nibabel(nibabel.load(VOLUMES / name))


@pytest.mark.parametrize(("folder", "blood"), [("lidc-0314-ncct", (35, 55)), ("lungdx-a0001-ncct-5mm/dicom", (35, 55))])
def test_real_non_contrast_series_pass(real_data: Path, folder: str, blood: tuple[float, float]) -> None:
    assert blood[0] < check(series(real_data / folder)).blood_pool < blood[1]


def test_a_real_enhanced_series_is_refused(real_data: Path) -> None:
    """The aorta of LIDC-IDRI-0001 has 412 HU, its pulmonary artery 324."""
    detail = refused(series(real_data / "lidc-0001-cect"), Refusal.CONTRAST_PRESENT)
    assert 324 < float(detail.split("blood pool at ")[1].split(" HU")[0]) < 412


def test_a_real_cropped_non_contrast_volume_passes() -> None:
    """LIDC-IDRI-0002, stored in another axis order: pulmonary trunk 49, aorta 43 HU."""
    assert 38 < check(nifti("lidc-0002-ncct.nii.gz")).blood_pool < 54


def test_a_real_cropped_enhanced_volume_is_refused() -> None:
    """R01-001: pulmonary trunk 228, left atrium 194, aorta 206 HU."""
    detail = refused(nifti("nsclcrg-r01-001-cect.nii.gz"), Refusal.CONTRAST_PRESENT)
    assert 190 < float(detail.split("blood pool at ")[1].split(" HU")[0]) < 230
