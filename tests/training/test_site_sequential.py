"""Two scans after each other: registered, believed or refused by name, and right by the phantom's own displacement."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from highdicom import Volume
from scipy.ndimage import map_coordinates

from pulmomap.imaging.registration.preparation import prepare
from pulmomap.imaging.registration.quality import Doubt, assess, doubts
from pulmomap.imaging.registration.register import Registration
from pulmomap.imaging.registration.transform import Transform
from pulmomap.phantom.export import write_study
from pulmomap.phantom.thorax import breathe, draw
from tests.imaging.small_chest import FRAME, OTHER_FRAME, grid, places, scan
from training import site_alignment
from training.__main__ import main
from training.site_alignment import AIR, align
from training.store import StoreError, case_folders, read_case

SHAPE = (56, 44, 64)
STEP = 3.0
SHIFT = np.array([0.0, 6.0, 9.0])


@pytest.fixture(scope="module")
def chests() -> dict[str, Volume]:
    """A chest with contrast, without, and without but moved; all on one grid, the last in a frame of its own too."""
    affine = grid(SHAPE, STEP)
    here = places(SHAPE, affine)
    return {
        "cect": scan(here, affine, blood=300.0),
        "vnc": scan(here, affine),
        "moved": scan(here - SHIFT, affine),
        "another frame": scan(here - SHIFT, affine, OTHER_FRAME),
        "somebody else": scan(here, affine, seed=5),
    }


def shifted(fixed: Volume, moving: Volume, shift: np.ndarray) -> Registration:
    """What a registration that found this shift comes to, measured as a real one is."""
    still = SimpleITK.TranslationTransform(3)
    frames = str(fixed.frame_of_reference_uid), str(moving.frame_of_reference_uid)
    transform = Transform((SimpleITK.TranslationTransform(3, shift.tolist()), still, still, still), *frames)
    first, second = prepare(fixed, "fixed"), prepare(moving, "moving")
    quality = assess(first, second, transform)
    return Registration(transform, quality, doubts(quality), 0.0)


def test_one_acquisition_stays_as_it_is(chests: dict[str, Volume]) -> None:
    aligned = align(chests["vnc"], chests["cect"], STEP, 10.0)
    assert aligned.facts["how"] == "as scanned"
    assert aligned.facts["before"]["correlation"] > 0.9
    assert np.isin(aligned.ncct.array, chests["vnc"].array).all(), "not interpolated"
    json.dumps(aligned.facts, allow_nan=False)


@pytest.mark.parametrize("name", ["moved", "another frame"])
def test_one_grid_is_no_proof_of_one_breath(
    name: str, chests: dict[str, Volume], monkeypatch: pytest.MonkeyPatch
) -> None:
    """elastix itself is in the slow test below; here the transform is known, and what is made of it is looked at."""
    monkeypatch.setattr(site_alignment, "register", lambda cect, ncct, **_: shifted(cect, ncct, SHIFT))
    aligned = align(chests[name], chests["cect"], STEP, 20.0)
    assert aligned.facts["how"] == "registered"
    assert aligned.facts["before"]["correlation"] < 0.6 < aligned.facts["after"]["correlation"]
    cect, ncct, lungs = (np.asarray(one.array) for one in (aligned.cect, aligned.ncct, aligned.lungs))
    seen = cect != AIR  # the scans' own noise never is exactly that
    assert np.isin(cect[seen], chests["cect"].array).all(), "the contrast scan is not interpolated"
    true = np.asarray(align(chests["vnc"], chests["cect"], STEP, 20.0).ncct.array)
    assert np.corrcoef(true[seen], ncct[seen])[0, 1] > 0.97
    assert 0 < aligned.facts["outside"] < 0.2
    assert (ncct[~seen] == AIR).all(), "where one scan has nothing, neither has"
    assert not lungs[~seen].any()
    json.dumps(aligned.facts, allow_nan=False)
    assert FRAME not in json.dumps(aligned.facts)


def test_a_doubtful_registration_is_refused_with_its_reasons(
    chests: dict[str, Volume], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_alignment, "register", lambda cect, ncct, **_: shifted(cect, ncct, np.zeros(3)))
    with pytest.raises(StoreError, match=Doubt.VESSELS_APART.value + r".*correlation in them -?0\.\d\d"):
        align(chests["somebody else"], chests["cect"], STEP, 10.0)


@pytest.mark.slow
def test_a_breath_is_undone_on_the_way_into_the_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`prepare dicom` on phantoms' NCCT at another breath level; the truth is the phantom's displacement."""
    spacing = 2.5
    phantom = draw(1, spacing)
    breathing = breathe(phantom.body, spacing)
    write_study(phantom, tmp_path / "one", breathing)
    other = draw(2, spacing)
    write_study(other, tmp_path / "two", replace(breathe(other.body, spacing), ncct=breathing.ncct))
    for kind, series in (("ncct", "ncct_breathing"), ("cect", "cect")):
        for name in ("one", "two"):
            (tmp_path / kind).mkdir(exist_ok=True)
            (tmp_path / name / series).rename(tmp_path / kind / name)
    folders = ["--non-contrast", str(tmp_path / "ncct"), "--contrast", str(tmp_path / "cect")]
    store = tmp_path / "store"
    assert main(["prepare", "dicom", *folders, "--out", str(store), "--spacing", str(spacing)]) == 2
    said = capsys.readouterr()
    assert "two" in said.out
    assert Doubt.VESSELS_APART.value in said.out
    assert "1 pairs were refused" in said.err
    (folder,) = case_folders(store)
    case = read_case(folder)
    assert case.meta["alignment"]["how"] == "registered"

    # The oracle: the scan at the other breath level, fetched by the exact displacement.
    affine = np.asarray(case.meta["affine"])
    lungs = np.asarray(case.array("lungs")) > 0
    index = np.argwhere(lungs)
    resting = index @ affine[:3, :3].T + affine[:3, 3]
    went = resting + breathing.breath.displacement(resting)
    back = (went - breathing.ncct.affine[:3, 3]) @ np.linalg.inv(breathing.ncct.affine[:3, :3]).T
    exact = map_coordinates(breathing.ncct.array.astype(np.float32), back.T, order=1)
    ours = np.asarray(case.array("ncct"))[lungs].astype(np.float32)
    unmoved_index = (resting - breathing.ncct.affine[:3, 3]) @ np.linalg.inv(breathing.ncct.affine[:3, :3]).T
    unmoved = map_coordinates(breathing.ncct.array.astype(np.float32), unmoved_index.T, order=1)
    error, before = np.abs(ours - exact).mean(), np.abs(unmoved - exact).mean()
    print(f"MAE in the lungs against the exact displacement: {error:.1f} HU, unregistered {before:.1f} HU")
    assert error < 0.5 * before
    vessels = np.asarray(case.array("cect"))[lungs] > -300
    assert np.abs(ours - exact)[vessels].mean() < 0.5 * np.abs(unmoved - exact)[vessels].mean()
