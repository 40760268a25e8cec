"""Three-stage registration: what a transform does, what is doubted, and that a crash of elastix is only an error."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from highdicom import Volume
from scipy.spatial.transform import Rotation
from small_chest import FRAME, OTHER_FRAME, grid, in_lungs, places, scan

from pulmomap.dicom.index import index_folder
from pulmomap.dicom.reading import read_volume
from pulmomap.dicom.rules import SelectionRules
from pulmomap.dicom.selection import select
from pulmomap.imaging.registration import elastix
from pulmomap.imaging.registration.errors import RegistrationError
from pulmomap.imaging.registration.quality import Alignment, Doubt, Quality, doubts, registration_error
from pulmomap.imaging.registration.register import register
from pulmomap.imaging.registration.transform import Transform, read_transform
from pulmomap.phantom.thorax import breathe, draw

SHIFT = np.array([6.0, -4.0, 10.0])
SHAPE = (40, 36, 48)


def translation(shift: np.ndarray) -> Transform:
    stages = tuple(
        SimpleITK.TranslationTransform(3, part) for part in (shift.tolist(), [0.0] * 3, [0.0] * 3, [0.0] * 3)
    )
    return Transform(stages, FRAME, OTHER_FRAME)


@pytest.fixture(scope="module")
def pair() -> tuple[Volume, Volume]:
    """A chest, and the same chest moved by SHIFT on another grid: its voxel at p shows what rests at p - SHIFT."""
    affine, other = grid(SHAPE, 4.0), grid(SHAPE, 4.0, tuple(SHIFT))
    return scan(places(SHAPE, affine), affine), scan(places(SHAPE, other) - SHIFT, other, OTHER_FRAME)


def test_a_translation_brings_the_moving_scan_back(pair: tuple[Volume, Volume]) -> None:
    fixed, moving = pair
    back = translation(SHIFT).image(moving, fixed)
    assert np.array_equal(back.affine, fixed.affine)
    assert np.corrcoef(back.array.ravel(), fixed.array.ravel())[0, 1] > 0.99


def test_labels_stay_labels(pair: tuple[Volume, Volume]) -> None:
    fixed, moving = pair
    labels = moving.with_array((np.arange(moving.array.size) % 5).reshape(moving.array.shape).astype(np.uint8))
    back = translation(SHIFT + 1.3).labels(labels, fixed)
    assert set(np.unique(back.array)) <= set(range(5))


def test_points_displacement_and_jacobian_agree(pair: tuple[Volume, Volume]) -> None:
    fixed, _ = pair
    transform = translation(SHIFT)
    points = np.random.default_rng(0).uniform(-50, 50, (20, 3))
    assert transform.points(points) == pytest.approx(points + SHIFT)
    assert transform.displacement(fixed) == pytest.approx(np.broadcast_to(SHIFT, (*SHAPE, 3)), abs=1e-3)
    assert transform.jacobian(fixed) == pytest.approx(np.ones(SHAPE), abs=1e-3)
    assert registration_error(transform, points, points) == pytest.approx(np.full(20, np.linalg.norm(SHIFT)))
    with pytest.raises(ValueError, match="come in pairs"):
        registration_error(transform, points, points[:3])


@pytest.mark.parametrize(
    ("scale", "volume"), [((1.1, 1.1, 1.1), 1.331), ((0.5, 2.0, 0.8), 0.8), ((-1.0, 1.0, 1.2), -1.2)]
)
def test_jacobian_is_the_change_of_volume(
    scale: tuple[float, float, float], volume: float, pair: tuple[Volume, Volume]
) -> None:
    """Also on anisotropic and oblique grids, and negative where space is turned inside out."""
    fixed, _ = pair
    turn = Rotation.from_euler("xyz", [10, -20, 30], degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn * [3.0, 1.5, 2.0]
    oblique = Volume(np.zeros((9, 10, 11)), affine, "PATIENT", FRAME)
    nothing = [SimpleITK.TranslationTransform(3, [0.0] * 3) for _ in range(3)]
    scaled = Transform((SimpleITK.ScaleTransform(3, scale), *nothing), FRAME, OTHER_FRAME)
    for grid_ in (fixed, oblique):
        middle = scaled.jacobian(grid_)[2:-2, 2:-2, 2:-2]
        assert middle == pytest.approx(np.full(middle.shape, volume), rel=1e-4)


def test_a_transform_is_the_same_after_saving(tmp_path: Path) -> None:
    points = np.random.default_rng(1).uniform(-50, 50, (5, 3))
    translation(SHIFT).save(tmp_path)
    assert read_transform(tmp_path).points(points) == pytest.approx(points + SHIFT)


def test_a_scan_of_another_frame_is_an_error_that_names_both(pair: tuple[Volume, Volume]) -> None:
    fixed, _ = pair
    with pytest.raises(ValueError, match=f"(?s){FRAME}.*{OTHER_FRAME}|{OTHER_FRAME}.*{FRAME}"):
        translation(SHIFT).image(fixed, fixed)


def quality(**changed: object) -> Quality:
    facts: dict[str, object] = {
        "before": Alignment(0.8, 0.3, 1.1),
        "after": Alignment(0.97, 0.9, 1.4),
        "overlap": 1.0,
        "folding": 0.0,
        "shrinkage": 0.8,
        "growth": 1.2,
        "deformation": 8.0,
    }
    return Quality(**(facts | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "doubt"),
    [
        ({"overlap": 0.8}, Doubt.LITTLE_OVERLAP),
        ({"after": Alignment(0.8, 0.9, 1.4)}, Doubt.LUNGS_APART),
        ({"after": Alignment(0.97, 0.3, 1.4)}, Doubt.VESSELS_APART),
        ({"after": Alignment(0.97, float("nan"), 1.4)}, Doubt.VESSELS_APART),
        ({"folding": 0.01}, Doubt.FOLDING),
        ({"deformation": 60.0}, Doubt.LARGE_DEFORMATION),
    ],
)
def test_each_reason_to_doubt_is_named(changed: dict[str, object], doubt: Doubt) -> None:
    assert doubts(quality()) == ()
    assert doubts(quality(**changed)) == (doubt,)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended by SIGSEGV"),
        ("raise SystemExit('the map is wrong')", "gave up: the map is wrong"),
        ("pass", "gave up"),
        ("import time; time.sleep(60)", "had not ended after"),
    ],
)
def test_a_crash_is_an_error_with_a_sentence(
    program: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "crashing.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setattr(elastix, "MODULE", "crashing")
    with pytest.raises(RegistrationError, match=said):
        elastix._run(tmp_path, threads=1, timeout=2.0 if "sleep" in program else 60.0)


@pytest.mark.slow
def test_a_known_movement_is_recovered() -> None:
    """The chest turned by some degrees and moved by a centimetre, with contrast in one scan only."""
    shape, turned_shape = (80, 72, 96), (84, 76, 100)
    turn = Rotation.from_euler("xyz", [4, -3, 5], degrees=True).as_matrix()
    shift = np.array([7.0, -4.0, 9.0])
    affine, other = grid(shape, 2.0), grid(turned_shape, 1.9, (5, -3, 8))
    fixed = scan(places(shape, affine), affine, blood=300.0)
    moving = scan((places(turned_shape, other) - shift) @ turn, other, OTHER_FRAME)
    points = np.random.default_rng(1).uniform(-60, 60, (3000, 3))
    points = points[in_lungs(points)]
    found = register(fixed, moving, landmarks=(points, points @ turn.T + shift))
    assert found.plausible, found.doubts
    assert found.quality.tre is not None
    assert np.median(found.quality.tre) < 0.5


@pytest.mark.slow
def test_a_breath_is_undone_to_a_millimetre_and_a_half() -> None:
    """Vessels inside a phantom's lungs, whose true displacement is known; better than without the B-spline."""
    phantom = draw(1, 2.5)
    breathing = breathe(phantom.body, 2.5)
    inside = np.argwhere((phantom.vessels.array > 0) & (phantom.lungs.array > 0))
    chosen = inside[np.random.default_rng(0).choice(len(inside), 3000, replace=False)]
    affine = phantom.cect.affine
    points = chosen @ affine[:3, :3].T + affine[:3, 3]
    true = points + breathing.breath.displacement(points)
    found = register(phantom.cect, breathing.ncct, landmarks=(points, true))
    assert found.plausible, found.doubts
    assert found.quality.tre is not None
    assert np.median(found.quality.tre) <= 1.5
    before = registration_error(found.transform.until("affine"), points, true)
    assert np.median(found.quality.tre) < 0.7 * np.median(before)


@pytest.mark.slow
def test_scans_of_different_people_are_not_believed(real_data: Path) -> None:
    volumes = []
    for name in ("lidc-0001-cect", "lidc-0314-ncct"):
        (series,) = select(index_folder(real_data / name), SelectionRules(refuse_contrast_tags=False)).selected
        volumes.append(read_volume(series))
    found = register(*volumes)
    assert not found.plausible
    assert Doubt.VESSELS_APART in found.doubts
