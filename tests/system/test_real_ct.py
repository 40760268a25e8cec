"""The app on real CT, where it is at hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from app_runs import ROOT, AppRun, run_app
from dicom.validators import dciodvfy, dcmqi_report, dcmqi_segments, pixelmed_sr, table_errors
from highdicom.seg import segread
from pydicom import dcmread

NODULE = ("-57.4", "131.2", "-520.4", "15.5")


@pytest.fixture(scope="module")
def ncct_run(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> AppRun:
    return run_app(real_data / "lidc-0314-ncct", tmp_path_factory.mktemp("real"), "-n", *NODULE)


def test_every_slice_is_answered(ncct_run: AppRun, real_data: Path) -> None:
    assert ncct_run.code == 0, ncct_run.stderr
    sources = {
        str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in (real_data / "lidc-0314-ncct").iterdir()
    }
    results = [dcmread(path, stop_before_pixels=True) for path in (ncct_run.results / "syn-cect").iterdir()]
    assert len(results) == 275
    assert {str(image.SourceImageSequence[0].ReferencedSOPInstanceUID) for image in results} == sources


def test_no_validator_finds_an_error(ncct_run: AppRun) -> None:
    results = ncct_run.results
    for path in (results / "syn-cect" / "0100.dcm", results / "vessels.seg.dcm", results / "measurements.sr.dcm"):
        assert dciodvfy(path) == [], path.name
        assert table_errors(dcmread(path)) == [], path.name
    assert pixelmed_sr(results / "measurements.sr.dcm") == []


def test_dcmqi_reads_seg_and_sr_back(ncct_run: AppRun, tmp_path: Path) -> None:
    images, _ = dcmqi_segments(ncct_run.results / "vessels.seg.dcm", tmp_path / "segments")
    volume = segread(ncct_run.results / "vessels.seg.dcm").get_volume(combine_segments=True).array
    for number, image in enumerate(images, start=1):
        assert np.count_nonzero(SimpleITK.GetArrayViewFromImage(image)) == np.count_nonzero(volume == number)
    report = dcmqi_report(ncct_run.results / "measurements.sr.dcm", tmp_path / "sr.json")
    assert len(report["Measurements"]) == 1


def test_vessels_lie_in_the_chest_and_on_the_input_grid(ncct_run: AppRun, real_data: Path) -> None:
    seg = segread(ncct_run.results / "vessels.seg.dcm")
    volume = seg.get_volume(combine_segments=True)
    assert volume.spatial_shape[1:] == (512, 512)
    assert {segment.SegmentLabel for segment in seg.SegmentSequence} == {"Pulmonary artery", "Pulmonary vein"}
    first = dcmread(next((real_data / "lidc-0314-ncct").iterdir()), stop_before_pixels=True)
    spacing = sorted([*map(float, first.PixelSpacing), 1.0])
    assert sorted(volume.spacing) == pytest.approx(spacing)


def test_nodule_of_the_settings_is_where_it_was_given(ncct_run: AppRun, real_data: Path) -> None:
    """The SR's line lies on the slice of the nodule, its middle at the given point, its length the diameter."""
    sr = dcmread(ncct_run.results / "measurements.sr.dcm")
    images = {}
    for path in (real_data / "lidc-0314-ncct").iterdir():
        image = dcmread(path, stop_before_pixels=True)
        images[str(image.SOPInstanceUID)] = image

    def scoords(item):  # type: ignore[no-untyped-def]
        for child in item.get("ContentSequence", ()):
            if child.ValueType == "SCOORD" and child.GraphicType == "POLYLINE":
                yield child
            yield from scoords(child)

    (line,) = scoords(sr)
    image = images[str(line.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)]
    (left, top), (right, bottom) = np.reshape(line.GraphicData, (2, 2)) - 0.5
    row_mm, column_mm = map(float, image.PixelSpacing)
    position = np.array(image.ImagePositionPatient, dtype=float)
    orientation = np.array(image.ImageOrientationPatient, dtype=float)
    middle = position + orientation[:3] * column_mm * (left + right) / 2 + orientation[3:] * row_mm * (top + bottom) / 2
    assert middle == pytest.approx([float(value) for value in NODULE[:3]], abs=0.6)
    length = np.hypot((right - left) * column_mm, (bottom - top) * row_mm)
    assert length == pytest.approx(15.5, abs=0.05)


def test_contrast_scan_is_refused_by_measurement(real_data: Path, tmp_path: Path) -> None:
    """With the tags switched off, the blood pool itself gives it away."""
    run = run_app(real_data / "lidc-0001-cect", tmp_path, PULMOMAP_SELECTION__REFUSE_CONTRAST_TAGS="false")
    assert run.code == 3, run.stderr
    (series,) = run.manifest["series"]
    assert (series["code"], series["stage"]) == ("CONTRAST_PRESENT", "volume")


def test_thick_slices_are_flagged(real_data: Path, tmp_path: Path) -> None:
    run = run_app(real_data / "lungdx-a0001-ncct-5mm", tmp_path)
    assert run.code == 0, run.stderr
    assert "THICK_SLICES" in run.done[0]["flags"]


def test_wrong_geometry_seg_is_not_trusted(real_data: Path, tmp_path: Path) -> None:
    """The object lies in the study of a contrast scan: the nodule search is tried without the contrast rules."""
    wrong = ROOT.parent / "shared" / "data" / "lidc-0001-nodule-seg-wrong-geometry.dcm"
    if not wrong.exists():
        pytest.skip("the wrong-geometry SEG is not part of the repository")
    from pulmomap.dicom.index import index_folder
    from pulmomap.dicom.nodules import find_nodules
    from pulmomap.dicom.reading import read_volume
    from pulmomap.dicom.selection import SelectionRules, select
    from pulmomap.refusals import Flag

    study = tmp_path / "study"
    shutil.copytree(real_data / "lidc-0001-cect", study)
    shutil.copy(wrong, study)
    (series,) = select(index_folder(study), SelectionRules(refuse_contrast_tags=False)).selected
    assert series.companions
    found = find_nodules(series, read_volume(series).get_geometry(), ())
    assert found.nodules == ()
    assert Flag.NODULE_SOURCE_REFUSED in found.flags
    assert found.notes
