"""A site's paired DICOM in the store: same voxels, one side of the split for a patient, and nobody's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import UID_ROOT, ct_series
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.__main__ import main
from training.batches import NEEDS
from training.cases import Cases
from training.site import case_name, store_salt
from training.site_pairs import pairs_by_study
from training.store import case_folders, read_case, split_of

SPACING = 4.0
SHAPE = (75, 68, 90)
ENHANCEMENT = 300


def chest() -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """A chest of ellipsoids, HU, and its heart."""
    z, y, x = (np.moveaxis((np.arange(n) - (n - 1) / 2) * SPACING, 0, 0) for n in SHAPE)
    z, y, x = z[:, None, None], y[None, :, None], x[None, None, :]

    def within(centre: tuple[int, int, int], radii: tuple[int, int, int]) -> NDArray[np.bool_]:
        inside = sum(((axis - c) / r) ** 2 for axis, c, r in zip((x, y, z), centre, radii, strict=True))
        return np.asarray(inside <= 1)

    hu = np.full(SHAPE, -1000.0)
    hu[np.broadcast_to((x / 165) ** 2 + (y / 110) ** 2 <= 1, SHAPE)] = 45
    for side in (-85, 85):
        hu[within((side, 0, 0), (52, 80, 120))] = -850
    heart = within((10, -15, -20), (50, 45, 60))
    hu[heart] = 40
    return (hu + np.random.default_rng(0).normal(0, 10, SHAPE)).astype(np.int16), heart


HU, HEART = chest()


def write(root: Path, kind: str, number: int, patient: str = "CANARY-ID", **changes: Any) -> Path:
    """One series of study ``number``, with everything that names a person filled in."""
    contrast = kind == "cect"
    folder = root / kind / f"study-{number}"
    settings: dict[str, Any] = {
        "shape": SHAPE,
        "spacing": (SPACING,) * 3,
        "hu": HU + np.int16(ENHANCEMENT) * HEART if contrast else HU,
        "PatientID": patient,
        "StudyInstanceUID": f"{UID_ROOT}7.{number}",
        "SeriesInstanceUID": f"{UID_ROOT}8.{number}.{int(contrast)}",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"] if contrast else ["DERIVED", "PRIMARY", "AXIAL", "VNC"],
        "ContrastBolusAgent": "Iodine",
    }
    ct_series(folder, **(settings | changes))
    return folder


def prepare(root: Path, store: Path, *more: str) -> int:
    folders = ["--non-contrast", str(root / "vnc"), "--contrast", str(root / "cect")]
    return main(["prepare", "dicom", *folders, "--out", str(store), "--spacing", str(SPACING), *more])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two studies of one patient and one of another."""
    root = tmp_path_factory.mktemp("site")
    for number, patient in ((1, "CANARY-ID"), (2, "CANARY-ID"), (3, "CANARY-OTHER")):
        for kind in ("vnc", "cect"):
            write(root, kind, number, patient)
    return root


@pytest.fixture(scope="module")
def filled(site: Path) -> Path:
    store = site / "out" / "store"
    assert prepare(site, store) == 0
    return store


def test_a_pair_is_in_the_store_voxel_by_voxel(filled: Path) -> None:
    assert len(case_folders(filled)) == 3
    case = read_case(case_folders(filled)[0])
    before, after = (np.asarray(case.array(name)).astype(int) for name in ("ncct", "cect"))
    assert set(np.unique(after - before)) == {0, ENHANCEMENT}
    affine = np.asarray(case.meta["affine"])
    first = np.rint((affine[:3, 3] - np.array([-100.0, -90.0, -300.0])) / SPACING).astype(int)[::-1]
    window = tuple(slice(start, start + size) for start, size in zip(first, before.shape, strict=True))
    assert np.array_equal(before, HU[window].clip(-1024, None)), "the affine says where the cut-out came from"
    lungs = np.asarray(case.array("lungs"))
    assert (before[lungs > 0] < -500).mean() > 0.9
    assert (case.array("enhanced").shape[0]) > 100
    alignment = case.meta["alignment"]
    assert alignment["how"] == "as scanned"
    assert alignment["before"]["lung_dice"] == pytest.approx(1, abs=0.01)


def test_nothing_in_the_store_names_a_patient(filled: Path) -> None:
    secrets = [b"CANARY", b"Canary", b"Secret", b"19700101", UID_ROOT.encode()]
    secrets += [secret.decode().encode("utf-16-le") for secret in secrets]
    files = [path for path in filled.rglob("*") if path.is_file()]
    assert len(files) == 3 * 5
    for path in files:
        told = path.read_bytes() + str(path.relative_to(filled)).encode()
        assert not [secret for secret in secrets if secret in told]
    assert "salt" not in {path.suffix for path in files}


def test_the_studies_of_a_patient_stay_together(filled: Path) -> None:
    patients = [folder.name.partition("+")[0] for folder in case_folders(filled)]
    assert sorted(patients.count(patient) for patient in set(patients)) == [1, 2]


@given(st.text("0123456789abcdef", min_size=16, max_size=16), st.lists(st.integers(0, 9999), min_size=2, max_size=5))
def test_every_study_of_a_patient_is_on_one_side(patient: str, studies: list[int]) -> None:
    assert len({split_of(f"patient-{patient}+{study}") for study in studies}) == 1


def test_the_salt_decides_the_names_and_is_kept_outside(site: Path, filled: Path, tmp_path: Path) -> None:
    assert filled.with_name("store.salt").stat().st_mode & 0o077 == 0
    pairs = pairs_by_study(site / "vnc", site / "cect")
    salts = [store_salt(store) for store in (filled, filled, tmp_path / "other")]
    names, again, others = ({case_name(pair, salt) for pair in pairs} for salt in salts)
    assert names == again == {folder.name for folder in case_folders(filled)}
    assert not {name.partition("+")[0] for name in names} & {name.partition("+")[0] for name in others}


def test_a_second_run_leaves_what_is_there(site: Path, filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in filled.rglob("*")}
    assert prepare(site, filled) == 0
    assert capsys.readouterr().out.count("is there") == 3
    assert {path: path.stat().st_mtime_ns for path in filled.rglob("*")} == before


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hu": np.full_like(HU, 40)}, "the contrast scan shows no two lungs"),
        ({"hu": np.full_like(HU, 40), "FrameOfReferenceUID": UID_ROOT + "9"}, "the contrast scan shows no two lungs"),
        ({"hu": HU}, "nothing in"),
    ],
    ids=["no lungs", "no lungs in another frame", "not enhanced"],
)
def test_a_pair_that_does_not_fit_is_refused_naming_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], reason: str
) -> None:
    plain, contrast = write(tmp_path, "vnc", 1), write(tmp_path, "cect", 1, **change)
    write(tmp_path, "vnc", 2)
    write(tmp_path, "cect", 2)
    assert prepare(tmp_path, tmp_path / "store") == 2
    said = capsys.readouterr()
    assert str(plain) in said.out
    assert str(contrast) in said.out
    assert reason in said.out
    assert "1 pairs were refused" in said.err
    assert len(case_folders(tmp_path / "store")) == 1, "the other one goes on"
    assert "CANARY" not in said.out + said.err


def test_a_table_pairs_what_the_headers_do_not(tmp_path: Path) -> None:
    write(tmp_path, "vnc", 1, patient="")
    write(tmp_path, "cect", 2, patient="")
    assert prepare(tmp_path, tmp_path / "store") == 2
    table = tmp_path / "patients.csv"
    table.write_text("patient,non_contrast,contrast\nJane,study-1,study-2\n")
    assert prepare(tmp_path, tmp_path / "store", "--patients", str(table)) == 0
    assert len(case_folders(tmp_path / "store")) == 1
    table.write_text("patient,contrast\nJane,study-2\n")
    assert prepare(tmp_path, tmp_path / "store", "--patients", str(table)) == 2


def test_a_pair_without_a_patient_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "vnc", 1, patient="CANARY-ID")
    write(tmp_path, "cect", 1, patient="CANARY-OTHER")
    assert prepare(tmp_path, tmp_path / "store") == 2
    said = capsys.readouterr().err
    assert "more than one PatientID" in said
    assert "CANARY" not in said


def test_a_site_trains_the_synthesiser(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sides = {folder.name.partition("+")[0] for folder in case_folders(filled)}
    validation = min(sides)  # two patients are too few for the real split
    side = {True: "validation", False: "train"}
    monkeypatch.setattr("training.cases.split_of", lambda name: side[name.startswith(validation)])
    assert len(Cases(filled, NEEDS["synthesis"]).train) in (1, 2)
    fit = ["fit", "enhance_gan", "--preset", "smoke", "--data", str(filled), "--out", str(tmp_path / "run")]
    assert main(fit) == 0
