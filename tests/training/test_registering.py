"""A pair on two grids is measured on one; its registration is kept, and one in doubt is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from highdicom import Volume

from pulmomap.imaging.registration.quality import Alignment, Doubt, Quality
from pulmomap.imaging.registration.register import Registration
from pulmomap.imaging.registration.report import described
from pulmomap.imaging.registration.transform import Transform
from pulmomap.phantom.export import write_study
from pulmomap.phantom.thorax import breathe, draw
from tests.conftest import ROOT
from tests.training.made_evaluation import AFFINE, Chest, chest, write_folder
from training import register as register_command
from training import registering
from training.__main__ import main
from training.evaluation.cases import CaseFiles, find_cases
from training.evaluation.reading import read_nifti
from training.evaluation.registrations import registrations
from training.evaluation.results import Results
from training.evaluation.subject import load
from training.registering import COLUMNS, PairError, read_landmarks

MODELS = ROOT / "models"
SHIFT = np.array([3.0, -2.0, 5.0])
"""LPS mm from a point of the NCCT to the same point of the CECT; whole voxels, so that nothing is interpolated."""
GOOD = Quality(Alignment(0.8, 0.3, 1.1), Alignment(0.97, float("nan"), 1.4), 1.0, 0.0, 0.8, 1.2, 8.0)


def known(quality: Quality = GOOD, doubts: tuple[Doubt, ...] = ()) -> Registration:
    """The true transform, as if elastix had found half of the shift in each of its first two stages."""
    parts = (SHIFT / 2, SHIFT / 2, np.zeros(3), np.zeros(3))
    stages = tuple(SimpleITK.TranslationTransform(3, part.tolist()) for part in parts)
    return Registration(Transform(stages, None, None), quality, doubts, 12.3)


class Elastix:
    """Stands where elastix would; counts how often it is asked."""

    def __init__(self, answer: Registration) -> None:
        self.answer, self.calls = answer, 0

    def __call__(self, *_: Any, **__: Any) -> Registration:
        self.calls += 1
        return self.answer


@pytest.fixture
def elastix(monkeypatch: pytest.MonkeyPatch) -> Callable[[Registration], Elastix]:
    def install(answer: Registration) -> Elastix:
        made = Elastix(answer)
        monkeypatch.setattr(registering, "register", made)
        return made

    return install


def shifted(volume: Volume) -> Volume:
    """The same patient, scanned again at another place of the table."""
    affine = AFFINE.copy()
    affine[:3, 3] += SHIFT
    return Volume(volume.array, affine, "PATIENT")


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Chest, CaseFiles]:
    """A case whose CECT and labels lie on a grid of their own."""
    made = chest(1)
    folder = write_folder(tmp_path / "cases" / "a", made)
    for name in ("cect", "labels"):
        nibabel.save(shifted(getattr(made, name)).to_nibabel(), folder / f"{name}.nii.gz")
    (source,) = find_cases(tmp_path / "cases")
    assert isinstance(source, CaseFiles)
    return made, source


def landmarks(path: Path, points: np.ndarray) -> Path:
    lines = [",".join(f"{value:.3f}" for value in [*point, *(point + SHIFT)]) for point in points]
    path.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
    return path


def test_contrast_scan_and_its_labels_come_to_the_ncct(
    pair: tuple[Chest, CaseFiles], elastix: Callable[[Registration], Elastix], tmp_path: Path
) -> None:
    made, source = pair
    asked = elastix(known())
    subject = load(source, tmp_path / "registrations")
    assert np.array_equal(subject.cect.array, made.cect.array)
    assert subject.labels is not None
    assert np.array_equal(subject.labels.array, made.labels.array)
    assert subject.cect.geometry_equal(subject.ncct.volume)
    assert subject.registration is not None
    assert {path.name for path in (tmp_path / "registrations" / "a").iterdir()} == {
        "transform.h5", "frames.json", "registration.json", "key.txt",
    }  # fmt: skip
    again = load(source, tmp_path / "registrations")
    assert asked.calls == 1
    assert again.registration == subject.registration
    assert np.array_equal(again.cect.array, subject.cect.array)


@pytest.mark.parametrize("spoil", ["landmarks", "transform", "key"])
def test_other_files_and_damaged_registrations_are_registered_again(
    spoil: str, pair: tuple[Chest, CaseFiles], elastix: Callable[[Registration], Elastix], tmp_path: Path
) -> None:
    _, source = pair
    asked = elastix(known())
    load(source, tmp_path / "registrations")
    if spoil == "landmarks":
        source = replace(source, landmarks=landmarks(tmp_path / "landmarks.csv", np.zeros((2, 3))))
    elif spoil == "transform":
        with (tmp_path / "registrations" / "a" / "transform.h5").open("r+b") as stream:
            stream.truncate(100)
    else:
        (tmp_path / "registrations" / "a" / "key.txt").unlink()
    load(source, tmp_path / "registrations")
    assert asked.calls == 2


def test_drawn_labels_may_lie_on_the_ncct(
    pair: tuple[Chest, CaseFiles], elastix: Callable[[Registration], Elastix], tmp_path: Path
) -> None:
    made, source = pair
    elastix(known())
    nibabel.save(made.labels.to_nibabel(), source.labels)
    subject = load(source, tmp_path)
    assert subject.labels is not None
    assert np.array_equal(subject.labels.array, made.labels.array)


def test_doubted_registration_is_refused_by_name_and_kept_to_look_at(
    pair: tuple[Chest, CaseFiles], elastix: Callable[[Registration], Elastix], tmp_path: Path
) -> None:
    _, source = pair
    asked = elastix(known(doubts=(Doubt.VESSELS_APART, Doubt.FOLDING)))
    for _ in range(2):
        with pytest.raises(PairError, match=r"not to be believed: the vessels in the lungs .*; the transform folds"):
            load(source, tmp_path / "registrations")
    assert asked.calls == 1
    report = json.loads((tmp_path / "registrations" / "a" / "registration.json").read_text())
    assert (report["plausible"], len(report["doubts"])) == (False, 2)


def test_pair_on_one_grid_is_registered_only_when_asked(
    elastix: Callable[[Registration], Elastix], tmp_path: Path
) -> None:
    write_folder(tmp_path / "cases" / "a", chest(1), labels=False)
    (source,) = find_cases(tmp_path / "cases")
    asked = elastix(known())
    assert load(source, tmp_path / "out").registration is None
    assert asked.calls == 0
    moved = load(source, tmp_path / "out", register_all=True)
    assert asked.calls == 1
    assert not np.array_equal(moved.cect.array, chest(1).cect.array)


def test_report_has_the_error_after_each_stage() -> None:
    points = np.random.default_rng(0).uniform(-50, 50, (9, 3))
    report = described(known(), (points, points + SHIFT))
    whole = round(float(np.linalg.norm(SHIFT)), 3)
    assert report["tre_mm"] == {
        "landmarks": 9, "as_scanned": whole, "rigid": round(whole / 2, 3), "affine": 0.0, "bspline": 0.0,
        "bspline_percentile_95": 0.0,
    }  # fmt: skip
    assert report["after"]["correlation"] is None
    json.dumps(report, allow_nan=False)


def test_table_of_registered_pairs() -> None:
    points = np.zeros((4, 3))
    cases = [
        {"case": "a", "facts": {"registration": described(known(), (points, points + SHIFT))}},
        {"case": "b", "facts": {"registration": described(known())}},
        {"case": "c", "facts": {"registration": None}},
    ]
    (table,) = registrations(Results(tuple(cases)))
    assert table.rows == (
        ("a", "0.800", "0.970", "0.300", "–", "0.000", "8.0", "12", "6.16", "3.08", "0.00", "0.00", "4"),
        ("b", "0.800", "0.970", "0.300", "–", "0.000", "8.0", "12", *["–"] * 5),
    )
    assert registrations(Results((cases[2],))) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fixed_x,fixed_y\n1,2\n", "has no column fixed_z, moving_x"),
        (",".join(COLUMNS) + "\n", "lists no landmark"),
        (",".join(COLUMNS) + "\n1,2,3,4,5,6\n1,2,3,4,5\n", "line 3: a coordinate is not a number"),
        (",".join(COLUMNS) + "\n1,2,3,4,5,nan\n", "line 2: a coordinate is not a number"),
    ],
)
def test_wrong_landmarks_are_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "landmarks.csv").write_text(text)
    with pytest.raises(PairError, match=words):
        read_landmarks(tmp_path / "landmarks.csv")


@pytest.mark.parametrize("doubts", [(), (Doubt.FOLDING,)])
def test_register_writes_transform_report_moved_scan_and_labels(
    doubts: tuple[Doubt, ...],
    pair: tuple[Chest, CaseFiles],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From the command line; elastix itself runs in the slow test below and in tests/imaging/test_registration.py."""
    made, source = pair
    monkeypatch.setattr(register_command, "register", Elastix(known(doubts=doubts)))
    points = landmarks(tmp_path / "landmarks.csv", np.zeros((3, 3)))
    command = ["register", str(source.ncct), str(source.cect), "--out", str(tmp_path / "out"), "--landmarks"]
    assert main([*command, str(points), "--labels", str(source.labels)]) == len(doubts)
    said = capsys.readouterr()
    assert json.loads(said.out)["tre_mm"]["bspline"] == 0
    assert ("not to be believed: the transform folds" in said.err) == bool(doubts)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "transform.h5", "frames.json", "registration.json", "moved.nii.gz", "labels.nii.gz",
    }  # fmt: skip
    for name, wanted in (("moved", made.cect), ("labels", made.labels)):
        written = read_nifti(tmp_path / "out" / f"{name}.nii.gz")
        assert np.array_equal(written.array, wanted.array)
        assert np.allclose(written.affine, AFFINE)


@pytest.mark.slow
def test_sequential_pair_of_a_phantom_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two breath levels, real elastix, the shipped networks: `evaluate` registers the pair and measures the error on
    the phantom's own landmarks; two different people are refused."""
    first, second = draw(1, 2.5), draw(2, 2.5)
    breathing = breathe(first.body, 2.5)
    write_study(first, tmp_path / "p1", breathing)
    write_study(second, tmp_path / "p2")
    inside = np.argwhere((first.vessels.array > 0) & (first.lungs.array > 0))
    chosen = inside[np.random.default_rng(0).choice(len(inside), 500, replace=False)]
    on_cect = chosen @ first.cect.affine[:3, :3].T + first.cect.affine[:3, 3]
    on_ncct = on_cect + breathing.breath.displacement(on_cect)
    np.savetxt(
        tmp_path / "landmarks.csv", np.hstack([on_ncct, on_cect]), delimiter=",", header=",".join(COLUMNS), comments=""
    )
    (tmp_path / "cases.csv").write_text(
        "case,ncct,cect,labels,landmarks\n"
        "pair,p1/ncct_breathing,p1/cect,p1/truth/labels.nii.gz,landmarks.csv\n"
        "strangers,p1/ncct_breathing,p2/cect,,\n"
    )
    out = tmp_path / "out"
    assert main(["evaluate", str(tmp_path / "cases.csv"), "--models", str(MODELS), "--out", str(out)]) == 1
    assert "strangers: not measured: the registration of" in capsys.readouterr().err
    report = json.loads((out / "registrations" / "pair" / "registration.json").read_text())
    assert report["plausible"]
    assert report["tre_mm"]["bspline"] <= 1.5
    assert report["tre_mm"]["bspline"] < 0.7 * report["tre_mm"]["affine"]
    assert "Registered pairs" in (out / "evaluation.html").read_text()
