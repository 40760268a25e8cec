"""A phantom on disk: valid, in place, and the same bytes for the same seed."""

from __future__ import annotations

import filecmp
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from dicom.validators import dciodvfy
from highdicom.seg import segread
from pydicom import dcmread

from pulmomap.dicom.index import index_folder
from pulmomap.dicom.selection import SelectionRules, select
from pulmomap.phantom.export import write_study
from pulmomap.phantom.thorax import Phantom, draw


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return draw(21, (3.0, 3.5, 4.0))


@pytest.fixture(scope="module")
def study(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_study(phantom, folder)
    return folder


def test_series_reads_back_in_place(phantom: Phantom, study: Path) -> None:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(study / "cect")))
    image = reader.Execute()
    assert np.array_equal(SimpleITK.GetArrayFromImage(image), phantom.cect.array)
    assert image.GetSpacing() == pytest.approx((3.0, 3.5, 4.0))
    assert image.GetOrigin() == pytest.approx(tuple(phantom.cect.affine[:3, 3]), abs=1e-4)


def test_same_seed_same_files(study: Path, tmp_path: Path) -> None:
    write_study(draw(21, (3.0, 3.5, 4.0)), tmp_path)
    files = [path.relative_to(study) for path in study.rglob("*") if path.is_file() and path.suffix != ".gz"]
    same, different, missing = filecmp.cmpfiles(study, tmp_path, [str(path) for path in files], shallow=False)
    assert (different, missing) == ([], [])
    assert len(same) > 100


@pytest.mark.parametrize("name", ["ncct/0010.dcm", "cect/0010.dcm", "seg/nodules.dcm"])
def test_validator_finds_no_error(study: Path, name: str) -> None:
    assert dciodvfy(study / name) == []


def test_rules_take_the_plain_series_only(study: Path) -> None:
    selection = select(index_folder(study), SelectionRules())
    (taken,) = selection.selected
    assert taken.instances[0].path.parent.name == "ncct"
    assert len(taken.companions) == 1
    assert sorted(series.code.name for series in selection.rejected) == [
        "CONTRAST_PRESENT",
        "CONTRAST_PRESENT",
        "NOT_CT",
    ] or all(series.code.name == "CONTRAST_PRESENT" for series in selection.rejected)


def test_segments_hold_the_nodules(phantom: Phantom, study: Path) -> None:
    truth = json.loads((study / "truth" / "nodules.json").read_text())
    assert len(truth) == len(phantom.nodules)
    seg = segread(study / "seg" / "nodules.dcm")
    volume = seg.get_volume(combine_segments=True)
    for number in range(1, seg.number_of_segments + 1):
        voxels = np.argwhere(volume.array == number)
        centroid = (volume.affine @ [*voxels.mean(axis=0), 1.0])[:3]
        nearest = min(np.linalg.norm(centroid - nodule["centre_lps_mm"]) for nodule in truth)
        assert nearest < 6.0


def test_nifti_truth_lies_on_the_scan(phantom: Phantom, study: Path) -> None:
    """NIfTI is RAS, DICOM LPS: the same voxel at mirrored x and y."""
    image = nibabel.load(study / "truth" / "labels.nii.gz")
    assert np.array_equal(np.asarray(image.dataobj), phantom.labels.array)
    assert np.diag([-1, -1, 1, 1]) @ image.affine == pytest.approx(phantom.labels.affine, abs=1e-4)
    graphs = json.loads((study / "truth" / "vessels.json").read_text())
    assert set(graphs) == {"airway", "pulmonary_artery", "pulmonary_vein"}
    assert dcmread(study / "ncct" / "0001.dcm").PatientName == "PHANTOM^SEED 21"
