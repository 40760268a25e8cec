"""A phantom on disk: valid, in place, and the same bytes for the same seed."""

from __future__ import annotations

import filecmp
import json
from pathlib import Path
from shutil import copytree

import nibabel
import numpy as np
import pytest
import SimpleITK
from dicom.validators import dciodvfy
from highdicom.seg import segread
from pydicom import dcmread

from pulmomap.dicom.index import index_folder
from pulmomap.dicom.nodules import find_nodules
from pulmomap.dicom.reading import read_volume
from pulmomap.dicom.selection import SelectionRules, select
from pulmomap.phantom.export import write_study
from pulmomap.phantom.thorax import BreathingScan, Phantom, breathe, draw


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return draw(21, (3.0, 3.5, 4.0))


@pytest.fixture(scope="module")
def breathing(phantom: Phantom) -> BreathingScan:
    return breathe(phantom.body, (3.0, 3.5, 4.0))


@pytest.fixture(scope="module")
def study(phantom: Phantom, breathing: BreathingScan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_study(phantom, folder, breathing)
    return folder


def test_series_reads_back_in_place(phantom: Phantom, study: Path) -> None:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(study / "cect")))
    image = reader.Execute()
    assert np.array_equal(SimpleITK.GetArrayFromImage(image), phantom.cect.array)
    assert image.GetSpacing() == pytest.approx((3.0, 3.5, 4.0))
    assert image.GetOrigin() == pytest.approx(tuple(phantom.cect.affine[:3, 3]), abs=1e-4)


def test_same_seed_same_files(study: Path, tmp_path: Path) -> None:
    again = draw(21, (3.0, 3.5, 4.0))
    write_study(again, tmp_path, breathe(again.body, (3.0, 3.5, 4.0)))
    files = [path.relative_to(study) for path in study.rglob("*") if path.is_file() and path.suffix != ".gz"]
    same, different, missing = filecmp.cmpfiles(study, tmp_path, [str(path) for path in files], shallow=False)
    assert (different, missing) == ([], [])
    assert len(same) > 100


@pytest.mark.parametrize(
    "name", ["ncct/0010.dcm", "cect/0010.dcm", "seg/nodules.dcm", "ncct_breathing/0010.dcm", "rtstruct/nodules.dcm"]
)
def test_validator_finds_no_error(study: Path, name: str) -> None:
    assert dciodvfy(study / name) == []


def test_rules_take_the_plain_series_only(study: Path) -> None:
    selection = select(index_folder(study), SelectionRules())
    (taken,) = selection.selected
    assert taken.instances[0].path.parent.name in {"ncct", "ncct_breathing"}
    assert len(taken.companions) == 2
    codes = sorted(series.code.name for series in selection.rejected)
    assert codes.count("CONTRAST_PRESENT") == 2


@pytest.mark.parametrize("source", ["seg", "rtstruct"])
def test_the_app_finds_the_nodules(phantom: Phantom, study: Path, tmp_path: Path, source: str) -> None:
    """Both objects lead the application to the same centres."""
    for name in ("ncct", source):
        copytree(study / name, tmp_path / name)
    (taken,) = select(index_folder(tmp_path), SelectionRules()).selected
    volume = read_volume(taken)
    found = find_nodules(taken, volume, ()).nodules
    assert len(found) == len(phantom.nodules)
    for nodule in phantom.nodules:
        assert min(np.linalg.norm(np.array(other.centre) - nodule.centre) for other in found) < 6.0


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


def test_displacement_leads_from_the_scan_to_the_breathing_one(
    phantom: Phantom, breathing: BreathingScan, study: Path
) -> None:
    """What an ITK transform makes of the file is what the breath does, in LPS mm."""
    field = SimpleITK.ReadImage(str(study / "truth" / "displacement.nii.gz"), SimpleITK.sitkVectorFloat64)
    transform = SimpleITK.DisplacementFieldTransform(field)
    points = np.array(phantom.trees.veins.tree.points)[::50]
    expected = points + breathing.breath.displacement(points)
    found = np.array([transform.TransformPoint(point) for point in points.tolist()])
    assert np.linalg.norm(found - expected, axis=1).max() < 0.1
    assert np.linalg.norm(expected - points, axis=1).max() > 4.0
