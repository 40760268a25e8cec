"""The whole way: a phantom study in, valid DICOM and a report out, the same bytes twice."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from app_runs import PHANTOM_SEED, AppRun, run_app
from pydicom import dcmread


def digests(folder: Path, pattern: str) -> dict[str, str]:
    files = sorted(folder.rglob(pattern))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_run_is_done_and_the_manifest_says_so(phantom_run: AppRun) -> None:
    assert phantom_run.code == 0, phantom_run.stderr
    manifest = phantom_run.manifest
    assert (manifest["state"], manifest["exit_code"]) == ("finished", 0)
    (series,) = phantom_run.done
    assert set(series["models"]) == {"synthesis", "segmentation"}
    written = {str(path.relative_to(phantom_run.out)) for path in phantom_run.results.rglob("*") if path.is_file()}
    assert set(series["outputs"]) == written
    assert not (phantom_run.out / ".partial").exists()


def test_syn_cect_has_every_slice_on_the_source_grid(phantom_run: AppRun) -> None:
    sources = {str(image.SOPInstanceUID): image for image in map(dcmread, (phantom_run.study / "ncct").iterdir())}
    results = [dcmread(path) for path in sorted((phantom_run.results / "syn-cect").iterdir())]
    assert len(results) == len(sources)
    assert len({image.SOPInstanceUID for image in results}) == len(results)
    for image in results:
        (reference,) = image.SourceImageSequence
        source = sources[str(reference.ReferencedSOPInstanceUID)]
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "FrameOfReferenceUID"):
            assert image[keyword].value == source[keyword].value, keyword
        assert image.SyntheticData == "YES"
        assert image.ImageType[0] == "DERIVED"
        assert "SYNTHETIC" in image.SeriesDescription
        assert image.StudyInstanceUID == source.StudyInstanceUID
        assert image.SeriesInstanceUID != source.SeriesInstanceUID


def test_blood_is_brighter_and_fat_is_not(phantom_run: AppRun, phantom: Path) -> None:
    """Not a benchmark: a generator that does nothing, or brightens everything, fails here."""
    import nibabel

    labels = np.asarray(nibabel.load(phantom / "truth" / "labels.nii.gz").dataobj).astype(int)
    names = json.loads((phantom / "truth" / "labels.json").read_text())

    def volume(folder: Path) -> np.ndarray:
        images = sorted((dcmread(path) for path in folder.iterdir()), key=lambda image: image.ImagePositionPatient[2])
        return np.stack([image.pixel_array for image in images]).astype(float)

    # NIfTI axes are those of the written volume: (slice, row, column).
    gain = volume(phantom_run.results / "syn-cect") - volume(phantom_run.study / "ncct")
    assert labels.shape == gain.shape
    wide = ["aorta", "left_atrium", "pulmonary_artery_level0", "pulmonary_artery_level1"]
    blood = np.isin(labels, [names[name] for name in wide])
    assert gain[blood].mean() > 100
    outside = (labels == 0) & (volume(phantom_run.study / "ncct") < -60)
    assert abs(gain[outside].mean()) < 15


def test_seg_and_sr_point_at_the_source(phantom_run: AppRun) -> None:
    sources = {
        str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in (phantom_run.study / "ncct").iterdir()
    }
    seg = dcmread(phantom_run.results / "vessels.seg.dcm")
    (reference,) = seg.ReferencedSeriesSequence
    assert {str(item.ReferencedSOPInstanceUID) for item in reference.ReferencedInstanceSequence} <= sources
    sr = dcmread(phantom_run.results / "measurements.sr.dcm")
    evidence = {
        str(item.ReferencedSOPInstanceUID)
        for study in sr.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert str(seg.SOPInstanceUID) in evidence
    assert evidence & sources


def test_nodules_of_the_study_are_measured(phantom_run: AppRun, phantom: Path) -> None:
    text = (phantom_run.results / "report.html").read_text()
    truth = json.loads((phantom / "truth" / "nodules.json").read_text())
    assert "DICOM SEG" in text
    assert f"Nodule {len(truth)}" in text


def test_same_input_gives_the_same_bytes(quick_run: AppRun, quick_models: Path, tmp_path: Path) -> None:
    again = run_app(quick_run.study, tmp_path, models=quick_models)
    assert again.code == 0, again.stderr
    first, second = digests(quick_run.results, "*.dcm"), digests(again.results, "*.dcm")
    assert len(first) > 100
    assert first == second


def test_no_identifier_in_log_names_or_report(phantom_run: AppRun, phantom: Path) -> None:
    secrets = (f"SEED {PHANTOM_SEED}", f"PHANTOM-{PHANTOM_SEED}")
    names = " ".join(str(path.relative_to(phantom_run.out)) for path in phantom_run.out.rglob("*"))
    report = (phantom_run.results / "report.html").read_text()
    for secret in secrets:
        assert secret not in phantom_run.stderr
        assert secret not in names
        assert secret not in report


def test_one_bad_series_does_not_stop_the_other(phantom: Path, quick_models: Path, tmp_path: Path) -> None:
    """A gap in one series, the contrast series beside it, and junk: each named, the good one done."""
    study = tmp_path / "study"
    shutil.copytree(phantom / "ncct", study / "good")
    shutil.copytree(phantom / "cect", study / "enhanced")
    shutil.copytree(phantom / "vnc", study / "gap")
    for path in (study / "gap").iterdir():
        image = dcmread(path)
        if image.InstanceNumber in (30, 31):
            path.unlink()
            continue
        del image.ContrastBolusAgent
        image.save_as(path)
    (study / "letter.txt").write_text("not DICOM")
    (study / "broken.dcm").write_bytes((phantom / "ncct" / "0001.dcm").read_bytes()[:300])
    run = run_app(study, tmp_path / "out", models=quick_models)
    assert run.code == 0, run.stderr
    codes = sorted(series["code"] for series in run.manifest["series"] if series["outcome"] == "refused")
    assert codes == ["CONTRAST_PRESENT", "MISSING_SLICES"]
    gap = next(series for series in run.manifest["series"] if series["code"] == "MISSING_SLICES")
    assert "2" in gap["detail"]
    assert len(run.done) == 1
    assert run.manifest["unreadable"]


def test_own_results_are_not_processed_again(phantom_run: AppRun, tmp_path: Path) -> None:
    run = run_app(phantom_run.results, tmp_path / "out")
    assert run.code == 3
    assert {series["code"] for series in run.manifest["series"]} <= {"DERIVED", "NOT_CT"}


def test_enhanced_series_without_a_contrast_tag_is_refused_by_its_blood(phantom: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    shutil.copytree(phantom / "cect", study)
    for path in study.iterdir():
        image = dcmread(path)
        del image.ContrastBolusAgent
        image.SeriesDescription = "Chest"
        image.save_as(path)
    run = run_app(study, tmp_path / "out")
    assert run.code == 3, run.stderr
    (series,) = run.manifest["series"]
    assert (series["code"], series["stage"]) == ("CONTRAST_PRESENT", "volume")
    assert "HU" in series["detail"]


def test_missing_models_are_one_line(study: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    run = run_app(study, tmp_path / "out", models=tmp_path / "models")
    assert run.code == 2
    (line,) = [line for line in run.stderr.splitlines() if line.startswith("pulmomap:")]
    assert "contrast_synthesis" in line
    assert run.manifest["exit_code"] == 2


@pytest.mark.parametrize("setting", ["LABELMAP"])
def test_labelmap_layout(quick_run: AppRun, quick_models: Path, tmp_path: Path, setting: str) -> None:
    from highdicom.seg import segread

    run = run_app(quick_run.study, tmp_path, models=quick_models, PULMOMAP_OUTPUTS__SEG_LAYOUT=setting)
    assert run.code == 0, run.stderr
    seg = segread(run.results / "vessels.seg.dcm")
    assert seg.SegmentationType == setting
    binary = segread(quick_run.results / "vessels.seg.dcm")
    labels = seg.get_volume(combine_segments=True).array
    assert np.array_equal(labels, binary.get_volume(combine_segments=True).array)
    assert set(np.unique(labels)) == {0, 1, 2}
