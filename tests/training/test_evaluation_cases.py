"""Finding and reading cases: every layout gives the same subject, and what is wrong is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from highdicom import Volume

from tests.training.made_evaluation import AFFINE, CENTRE, SHAPE, chest, write_folder
from training.evaluation.cases import CaseError, CaseFiles, find_cases, fingerprint
from training.evaluation.subject import load
from training.registering import PairError
from training.store import HELD_OUT, Case


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two cases, the second without labels and nodules, and something else."""
    write_folder(tmp_path / "cases" / "a", chest(1))
    write_folder(tmp_path / "cases" / "b", chest(2), labels=False, nodules=False)
    (tmp_path / "cases" / "notes").mkdir()
    return tmp_path / "cases"


def test_folder_of_cases(folder: Path) -> None:
    sources = find_cases(folder)
    assert [source.name for source in sources] == ["a", "b"]
    full, bare = (load(source, folder.parent) for source in sources)
    made = chest(1)
    assert np.array_equal(full.ncct.volume.array, made.ncct.array)
    assert np.array_equal(full.cect.array, made.cect.array)
    assert np.allclose(full.ncct.volume.affine, AFFINE)
    assert full.labels is not None
    assert np.array_equal(full.labels.array, made.labels.array)
    assert [nodule.centre for nodule in full.ncct.nodules] == [CENTRE]
    assert bare.labels is None
    assert bare.ncct.nodules == ()
    volumes = (full.cect, full.labels, full.ncct.lungs)
    assert all(volume.geometry_equal(full.ncct.volume, tol=None) for volume in volumes)


def test_table_of_cases_finds_files_relative_to_itself(folder: Path) -> None:
    table = folder.parent / "cases.csv"
    lines = "case,ncct,cect,labels,lungs\nx,cases/b/ncct.nii.gz,cases/b/cect.nii.gz,,cases/b/lungs.nii.gz\n"
    table.write_text(lines + "w,cases/a/ncct.nii.gz,cases/a/cect.nii.gz,cases/a/labels.nii.gz,cases/a/lungs.nii.gz\n")
    first, second = find_cases(table)
    assert (first.name, second.name) == ("w", "x")
    assert isinstance(second, CaseFiles)
    assert second.labels is None
    assert np.array_equal(load(first, folder.parent).ncct.volume.array, chest(1).ncct.array)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("case,ncct\nx,y\n", "columns missing: cect; unknown: none"),
        ("case,ncct,cect,age\nx,y,z,1\n", "missing: none; unknown: age"),
        ("case,ncct,cect\nx,,z\n", "line 2: no ncct"),
        ("case,ncct,cect\nx,y,z\n", "line 2: there is no .*y, .*z$"),
        ("case,ncct,cect\na/b,cases,cases\n", "line 2: 'a/b' is not a case name"),
        ("case,ncct,cect\nx,cases,cases\nx,cases,cases\n", "line 3: 'x' is not a case name of its own"),
        ("case,ncct,cect\n", "lists no case"),
    ],
)
def test_wrong_table_is_refused(folder: Path, text: str, words: str) -> None:
    table = folder.parent / "cases.csv"
    table.write_text(text)
    with pytest.raises(CaseError, match=words):
        find_cases(table)


def test_nothing_to_evaluate_is_said(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="there are no cases at"):
        find_cases(tmp_path / "nowhere")
    with pytest.raises(CaseError, match="holds ncct and cect"):
        find_cases(tmp_path)


def test_store_is_one_way_of_giving_cases(make_case: Callable[..., Case], tmp_path: Path) -> None:
    made = make_case(f"phantom-{HELD_OUT}", HELD_OUT)
    (source,) = find_cases(tmp_path / "store")
    subject = load(source, tmp_path)
    assert np.array_equal(subject.cect.array, made.array("cect"))
    assert subject.labels is not None
    assert np.array_equal(subject.labels.array, made.array("vessels"))


def test_phantom_that_may_have_been_trained_on_is_refused(make_case: Callable[..., Case], tmp_path: Path) -> None:
    folder = make_case("phantom-0000005", 5).folder
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps({**meta, "source": "phantom"}))
    (source,) = find_cases(tmp_path / "store")
    with pytest.raises(CaseError, match="may have been trained on"):
        load(source, tmp_path)


def save(volume: Volume, path: Path) -> None:
    nibabel.save(volume.to_nibabel(), path)


def shifted(volume: Volume) -> Volume:
    affine = AFFINE.copy()
    affine[0, 3] += 0.5
    return Volume(volume.array, affine, "PATIENT")


def test_pair_that_cannot_be_registered_is_refused_by_both_grids(folder: Path) -> None:
    """A cube without lungs; what a registration gives is tested in test_registering."""
    save(shifted(chest(1).cect), folder / "a" / "cect.nii.gz")
    with pytest.raises(PairError, match=r"-20\.00.*-19\.50.* could not be registered: the fixed scan shows no"):
        load(find_cases(folder)[0], folder.parent)


@pytest.mark.parametrize("part", ["labels", "lungs"])
def test_part_on_another_grid_is_refused_by_both_names(folder: Path, part: str) -> None:
    save(shifted(getattr(chest(1), part)), folder / "a" / f"{part}.nii.gz")
    with pytest.raises(CaseError, match=r"-19\.50.*, the scan it belongs to .*-20\.00.*; draw it on that grid"):
        load(find_cases(folder)[0], folder.parent)


def test_layout_of_a_file_does_not_matter(folder: Path) -> None:
    """The same labels stored with permuted and flipped axes are the same labels."""
    turned = chest(1).labels.permute_spatial_axes((2, 0, 1)).flip_spatial([0, 2])
    save(turned, folder / "a" / "labels.nii.gz")
    subject = load(find_cases(folder)[0], folder.parent)
    assert subject.labels is not None
    assert np.array_equal(subject.labels.array, chest(1).labels.array)


def test_named_labels_are_merged_to_artery_and_vein(folder: Path) -> None:
    levels = chest(1).labels.array.copy()
    levels[levels == 2] = 6
    levels[:10][levels[:10] == 1] = 3
    levels[0] = 12
    save(Volume(levels, AFFINE, "PATIENT"), folder / "a" / "labels.nii.gz")
    with pytest.raises(CaseError, match=r"holds the values 3, 6, 12; write 0, 1 \(artery\) and 2 \(vein\)"):
        load(find_cases(folder)[0], folder.parent)
    names = {"pulmonary_artery_level0": 1, "pulmonary_artery_level2": 3, "pulmonary_vein_level1": 6, "aorta": 12}
    (folder / "a" / "labels.json").write_text(json.dumps(names))
    subject = load(find_cases(folder)[0], folder.parent)
    assert subject.labels is not None
    assert np.array_equal(subject.labels.array, chest(1).labels.array)
    (folder / "a" / "labels.json").write_text(json.dumps({"pulmonary_artery": 1}))
    with pytest.raises(CaseError, match="names no pulmonary_vein"):
        load(find_cases(folder)[0], folder.parent)


def test_nodules_of_a_mask(folder: Path) -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[5:8, 5:8, 5:8] = mask[20:22, 30:32, 30:32] = 1
    (folder / "b" / "nodules.json").unlink(missing_ok=True)
    save(Volume(mask, AFFINE, "PATIENT"), folder / "b" / "nodules.nii.gz")
    nodules = load(find_cases(folder)[1], folder.parent).ncct.nodules
    assert sorted(nodule.centre for nodule in nodules) == [(-14.0, -16.0, -94.0), (10.5, 8.5, -79.5)]
    assert sorted(round(nodule.diameter or 0, 3) for nodule in nodules) == [
        round(float(np.cbrt(6 * voxels / np.pi)), 3) for voxels in (8, 27)
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not a list of nodules"),
        ('[{"centre": [0, 0, 0]}]', "Field required"),
        ('[{"centre_lps_mm": [0, 500, 0]}]', r"Nodule 1 at LPS \(0.0, 500.0, 0.0\) mm lies outside the scan"),
    ],
)
def test_wrong_nodules_are_refused(folder: Path, content: str, words: str) -> None:
    (folder / "a" / "nodules.json").write_text(content)
    with pytest.raises(CaseError, match=words):
        load(find_cases(folder)[0], folder.parent)


def test_damaged_and_empty_files_are_named(folder: Path) -> None:
    with (folder / "a" / "ncct.nii.gz").open("r+b") as stream:
        stream.truncate(300)
    with pytest.raises(CaseError, match=r"a/ncct\.nii\.gz cannot be read"):
        load(find_cases(folder)[0], folder.parent)
    hu = chest(2).ncct.array.astype(np.float32)
    hu[0, 0, 0] = np.nan
    save(Volume(hu, AFFINE, "PATIENT"), folder / "b" / "ncct.nii.gz")
    with pytest.raises(CaseError, match="voxels that are not numbers"):
        load(find_cases(folder)[1], folder.parent)
    save(chest(2).ncct, folder / "b" / "ncct.nii.gz")
    (folder / "b" / "lungs.nii.gz").unlink()
    with pytest.raises(CaseError, match="shows no two lungs"):
        load(find_cases(folder)[1], folder.parent)


def test_fingerprint_changes_with_any_file(folder: Path) -> None:
    source = find_cases(folder)[0]
    before = fingerprint(source)
    assert fingerprint(source) == before
    (folder / "a" / "nodules.json").write_text("[]")
    assert fingerprint(source) != before
