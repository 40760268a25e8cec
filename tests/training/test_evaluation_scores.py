"""What is measured of a case, against arithmetic on volumes made for it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from highdicom import Volume
from PIL import Image

from pulmomap.metrics.compare import compare
from pulmomap.metrics.vessel import vessel_table
from tests.training.made_evaluation import (
    AFFINE,
    CENTRE,
    NETWORKS,
    SHAPE,
    bright_is_vessel,
    chest,
    half_enhanced,
    nothing_added,
    write_folder,
)
from training.evaluation.cases import CaseFiles, find_cases
from training.evaluation.one_case import Networks, measure
from training.evaluation.rows import CECT_VESSELS, NCCT, NCCT_VESSELS, SYN, SYN_VESSELS
from training.evaluation.scores import body_mask, image_scores, nodule_scores, vessel_scores
from training.evaluation.subject import Subject, load

EVERYWHERE = np.ones((16, 20, 20), bool)


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    root = tmp_path_factory.mktemp("cases")
    write_folder(root / "a", chest(1))
    return load(find_cases(root)[0], root)


def volume(array: np.ndarray) -> Volume:
    return Volume(array.astype(np.uint8), np.eye(4), coordinate_system="PATIENT")


def test_a_constant_error_of_20_hu_is_40_db() -> None:
    cect = np.zeros(EVERYWHERE.shape, np.float32)
    regions = {"body": EVERYWHERE, "lungs": EVERYWHERE, "vessel": EVERYWHERE & (np.arange(20) < 3)}
    scores = {key: outcome.value for key, outcome in image_scores(cect + 20, cect, regions).items()}
    assert [scores[key] for key in scores if key.endswith("psnr")] == pytest.approx([40.0] * 4)
    assert [scores[key] for key in scores if key.endswith("nmae")] == pytest.approx([0.01] * 4)
    assert scores["vessel_mae"] == scores["other_mae"] == 20


def test_regions_and_vessels_are_kept_apart() -> None:
    cect = np.zeros(EVERYWHERE.shape, np.float32)
    image, vessel = cect.copy(), np.zeros(EVERYWHERE.shape, bool)
    vessel[0], image[0], image[1] = True, 300, 150
    lungs = np.zeros_like(vessel)
    lungs[5:] = True
    scores = image_scores(image, cect, {"body": EVERYWHERE, "lungs": lungs, "vessel": vessel})
    assert scores["vessel_mae"].value == 300
    assert scores["other_mae"].value == 10
    assert scores["lungs_psnr"].value == 100  # the cap of a perfect region
    assert scores["vessel_nmae"].value == pytest.approx(0.15)
    assert scores["ms_ssim"].value < 1
    empty = image_scores(image, cect, {"body": EVERYWHERE, "lungs": lungs, "vessel": np.zeros_like(vessel)})
    assert (str(empty["vessel_mae"].status), str(empty["vessel_psnr"].status)) == ("ref_empty", "roi_empty")


def test_body_is_the_patient_and_not_the_table() -> None:
    hu = np.full((6, 30, 30), -1000, np.float32)
    hu[:, 4:20, 5:25] = 40
    hu[:, 8:14, 9:20] = -850
    hu[:, 24:26, 2:28] = 200
    expected = np.zeros(hu.shape, bool)
    expected[:, 4:20, 5:25] = True
    assert np.array_equal(body_mask(hu), expected)


def test_swapped_vessels_score_nothing_but_are_seen() -> None:
    truth = np.zeros(EVERYWHERE.shape, np.uint8)
    truth[:, 4:7, 4:7], truth[:, 12:15, 12:15] = 1, 2
    for labels, dice, mcs in ((np.array([0, 2, 1], np.uint8)[truth], 0, 0.5), (truth, 1, 0)):
        pair = volume(labels), volume(truth)
        scores = vessel_scores(vessel_table(*pair, volume(EVERYWHERE)), *pair)
        assert [scores[f"dice_{vessel}"].value for vessel in ("pa", "pv")] == [dice, dice]
        assert scores["sensitivity"].value == 1
        assert scores["mcs"].value == scores["mcs_lungs"].value == mcs
        assert scores["sl_ratio_pa"].value == 1
        assert scores["lung_litres"].value == pytest.approx((EVERYWHERE.size - (truth > 0).sum()) / 1e6)


def test_every_row_measures_what_it_names(subject: Subject) -> None:
    content, picture = measure(subject, NETWORKS, 20.0)
    vessel = chest(1).labels.array > 0
    images, vessels = content["synthesis"], content["segmentation"]
    assert images[NCCT]["vessel_mae"] == pytest.approx(300)
    assert images[NCCT]["other_mae"] == 0
    assert images[SYN]["vessel_mae"] == pytest.approx(100)
    assert images[SYN]["vessel_psnr"] == pytest.approx(20 * np.log10(2000 / 100))
    assert images[NCCT]["plain_mae"] == images[SYN]["plain_mae"] == 0, "the made scans have one noise"
    assert images[NCCT]["holes_share"] > 0.5
    assert images[SYN]["holes_share"] == images[SYN]["invented_per_metre"] == 0
    assert vessels[NCCT_VESSELS]["sensitivity"] == 0
    assert vessels[NCCT_VESSELS]["hd95_pa"] == "pred_empty"
    assert vessels[SYN_VESSELS]["dice_pa"] == vessels[CECT_VESSELS]["dice_pv"] == 1
    assert (vessels[NCCT_VESSELS]["agreement_pa"], vessels[SYN_VESSELS]["agreement_pa"]) == (0, 1)
    assert content["facts"]["vessel_ml"] == round(vessel.sum() / 1000, 2)
    with Image.open(io.BytesIO(picture)) as image:
        assert image.format == "WEBP"


def test_nodules_are_measured_in_their_sphere(subject: Subject) -> None:
    content, _ = measure(subject, NETWORKS, 20.0)
    (nodule,) = content["nodules"]
    assert (nodule["name"], nodule["diameter_mm"]) == ("Nodule 1", 6.0)
    found = bright_is_vessel(half_enhanced(subject.ncct))
    assert subject.labels is not None
    direct = compare(subject.labels.with_array(found), subject.labels, CENTRE, 20.0)
    assert nodule["rows"][SYN_VESSELS] == {
        key: outcome.value if outcome.ok else str(outcome.status) for key, outcome in nodule_scores(direct).items()
    }
    assert nodule["rows"][SYN_VESSELS]["local_dice_pa"] == 1
    assert nodule["rows"][SYN_VESSELS]["local_dice_pv"] == "both_empty"  # the vein lies outside the sphere


def test_without_labels_the_map_of_the_cect_is_the_reference(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", chest(1), labels=False)
    files = CaseFiles("a", folder / "ncct.nii.gz", folder / "cect.nii.gz", lungs=folder / "lungs.nii.gz")
    content, _ = measure(load(files, tmp_path), NETWORKS, 20.0)
    assert content["facts"]["reference"] == "CECT"
    assert set(content["segmentation"]) == {NCCT_VESSELS, SYN_VESSELS}
    assert content["segmentation"][SYN_VESSELS]["dice_pa"] == 1
    assert content["nodules"] == []


def test_other_synthesisers_are_rows_of_images(subject: Subject) -> None:
    content, _ = measure(subject, Networks(half_enhanced, bright_is_vessel, {"U-Net": nothing_added}), 20.0)
    assert list(content["synthesis"]) == [NCCT, SYN, "U-Net"]
    assert content["synthesis"]["U-Net"] == content["synthesis"][NCCT]
    assert set(content["segmentation"]) == {NCCT_VESSELS, SYN_VESSELS, CECT_VESSELS}


def test_geometry_of_the_made_chest() -> None:
    """The sphere of the tests is where the oracle says: its centre lies in the lungs, its vein does not reach it."""
    index = np.linalg.inv(AFFINE) @ [*CENTRE, 1]
    assert (index[:3] >= 0).all()
    assert (index[:3] < SHAPE).all()
