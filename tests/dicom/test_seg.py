"""The SEG: every voxel where the vessel is, whatever the layout of the source."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from itertools import permutations
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK
from highdicom.seg import Segmentation, segread
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian
from scipy.spatial.transform import Rotation

from pulmomap.case import Vessel, VesselMap
from pulmomap.dicom.header import is_own_output
from pulmomap.dicom.seg import COLOURS, Layout, vessel_segmentation
from pulmomap.report.palette import VESSELS as PALETTE
from tests.dicom.made_result import SEGMENTER, SYNTHESISER, case_on, dates_in, saved, series_of
from tests.dicom.validators import dciodvfy, dcmqi_segments, table_errors
from tests.dicom_factory import FRAME_UID, SERIES_UID, ct_series

SHAPE = (5, 8, 11)
LAYOUTS: tuple[Layout, ...] = ("BINARY", "LABELMAP")
AXES = [tuple(sign * (axis == one) for one in range(3)) for axis in range(3) for sign in (1.0, -1.0)]
ORIENTATIONS = [(*row, *column) for row, column in permutations(AXES, 2) if abs(np.dot(row, column)) < 0.5]
OBLIQUE = tuple(Rotation.from_euler("xyz", [8, -15, 22], degrees=True).as_matrix()[:, :2].T.ravel())

Labels = npt.NDArray[np.uint8]


def made(folder: Path, **series: Any) -> VesselMap:
    """A vessel map whose HU are its labels, so that the files tell independently which slice is which."""
    truth = np.random.default_rng(3).choice([0, 0, 1, 2], SHAPE)
    truth[[0, -1]] = 0
    # The number of the slice in the file's own pixels survives any ordering.
    ct_series(folder, **{"shape": SHAPE, "hu": np.arange(SHAPE[0])[:, None, None] * 100 + truth, **series})
    selected = series_of(folder)
    labels = np.stack([dcmread(one.path).pixel_array % 100 for one in selected.instances])
    return case_on(selected, labels=(labels.astype(int) - 24) % 100)


def voxels(segmentation: Dataset) -> set[tuple[int, float, float, float]]:
    """(label, LPS mm rounded to 1 um) of every voxel, from the frames' own attributes alone (PS3.3 C.7.6.16)."""
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    cosines = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, dtype=float)
    spacing = np.array(shared.PixelMeasuresSequence[0].PixelSpacing, dtype=float)
    pixels = segmentation.pixel_array.reshape(-1, segmentation.Rows, segmentation.Columns)
    found = set()
    for frame, mask in zip(segmentation.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        origin = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        number = (
            frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
            if "SegmentIdentificationSequence" in frame
            else None
        )
        for row, column in np.argwhere(mask):
            place = origin + cosines[:3] * column * spacing[1] + cosines[3:] * row * spacing[0]
            found.add((int(number or mask[row, column]), *(round(float(one), 3) + 0.0 for one in place)))
    return found


def truth_voxels(folder: Path) -> set[tuple[int, float, float, float]]:
    """The same from the source files, whose pixels hold the labels."""
    found = set()
    for path in folder.iterdir():
        image = dcmread(path)
        cosines, spacing = np.array(image.ImageOrientationPatient, float), np.array(image.PixelSpacing, float)
        labels = (image.pixel_array.astype(int) - 1024) % 100
        for row, column in np.argwhere(labels):
            place = np.array(image.ImagePositionPatient, float)
            place = place + cosines[:3] * column * spacing[1] + cosines[3:] * row * spacing[0]
            found.add((int(labels[row, column]), *(round(float(one), 3) + 0.0 for one in place)))
    return found


def segment(vessels: VesselMap, layout: Layout = "BINARY") -> Segmentation:
    result = vessel_segmentation(vessels, layout)
    assert result is not None
    return result


def check_places(folder: Path, vessels: VesselMap, layout: Layout) -> None:
    path = saved(segment(vessels, layout), folder.parent / "seg.dcm")
    expected = truth_voxels(folder)
    assert len(expected) > 50
    assert voxels(dcmread(path)) == expected
    volume = segread(path).get_volume(combine_segments=True, allow_missing_positions=True)
    back = volume.match_geometry(vessels.labels)
    np.testing.assert_array_equal(back.array, vessels.labels.array)
    np.testing.assert_allclose(back.affine, vessels.labels.affine, atol=1e-4)


@pytest.mark.parametrize("names", ["{:04d}.dcm".format, lambda number: f"{99 - number:04d}.dcm"], ids=["up", "down"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_all_48_layouts_with_oblong_pixels(tmp_path: Path, orientation: Any, names: Any) -> None:
    vessels = made(tmp_path / "in", orientation=orientation, spacing=(2.5, 0.7, 0.9), names=names)
    check_places(tmp_path / "in", vessels, "BINARY")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rotation=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.3, 5)] * 3),
    origin=st.tuples(*[st.floats(-900, 900)] * 3),
    layout=st.sampled_from(LAYOUTS),
)
def test_any_oblique_grid(rotation: Any, spacing: Any, origin: Any, layout: Layout) -> None:
    cosines = Rotation.from_euler("xyz", rotation, degrees=True).as_matrix()[:, :2].T.ravel()
    folder = Path(tempfile.mkdtemp())
    try:
        # At 8 decimals the headers are what a scanner writes, and agree with themselves to 1e-5 mm over the volume.
        vessels = made(
            folder / "in",
            orientation=cosines.round(8),
            spacing=tuple(round(one, 6) for one in spacing),
            origin=tuple(round(one, 6) for one in origin),
        )
        check_places(folder / "in", vessels, layout)
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("orientation", [(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (0.0, -1.0, 0.0, 1.0, 0.0, 0.0), OBLIQUE])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_dcmqi_reads_every_voxel_back(tmp_path: Path, orientation: Any, layout: Layout) -> None:
    vessels = made(tmp_path / "in", orientation=orientation, spacing=(2.5, 0.7, 0.9))
    path = saved(segment(vessels, layout), tmp_path / "seg.dcm")
    images, description = dcmqi_segments(path, tmp_path / "out")
    assert by_dcmqi(images) == truth_voxels(tmp_path / "in")
    titles = {
        one["labelID"]: one["SegmentedPropertyTypeCodeSequence"]["CodeMeaning"]
        for group in description["segmentAttributes"]
        for one in group
        if one["labelID"]
    }
    assert titles == {1: "Pulmonary artery", 2: "Pulmonary vein"}


def by_dcmqi(images: list[SimpleITK.Image]) -> set[tuple[int, float, float, float]]:
    found = set()
    for image in images:
        array = SimpleITK.GetArrayFromImage(image)
        for index in np.argwhere(array):
            place = image.TransformIndexToPhysicalPoint([int(one) for one in reversed(index)])
            found.add((int(array[tuple(index)]), *(round(one, 3) + 0.0 for one in place)))
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_it_says(tmp_path: Path, layout: Layout) -> None:
    vessels = made(tmp_path / "in")
    found = dcmread(saved(segment(vessels, layout), tmp_path / "seg.dcm"))
    artery, vein = (one for one in found.SegmentSequence if one.SegmentNumber)
    for item, code, vessel in ((artery, "81040000", Vessel.ARTERY), (vein, "122972007", Vessel.VEIN)):
        kind, category = item.SegmentedPropertyTypeCodeSequence[0], item.SegmentedPropertyCategoryCodeSequence[0]
        assert (item.SegmentNumber, item.SegmentLabel) == (int(vessel), vessel.title)
        assert (kind.CodeValue, kind.CodingSchemeDesignator, kind.CodeMeaning) == (code, "SCT", vessel.title)
        assert (category.CodeValue, category.CodeMeaning) == ("91723000", "Anatomical Structure")
        assert item.SegmentAlgorithmType == "AUTOMATIC"
        assert SEGMENTER.digest in str(item.SegmentationAlgorithmIdentificationSequence[0].AlgorithmParameters)
        assert item.TrackingID == vessel.title
        colour = highdicom.color.CIELabColor.from_dicom_value(item.RecommendedDisplayCIELabValue)
        np.testing.assert_allclose(colour.to_rgb(), COLOURS[vessel], atol=2)
    assert artery.TrackingUID != vein.TrackingUID
    assert found.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert found.SegmentationType == layout
    assert found.ContentCreatorName == "PulmoMAP^Algorithm"
    assert found.ContentQualification == "RESEARCH"
    assert (found.PatientName, found.FrameOfReferenceUID) == ("Canary^Secret", FRAME_UID)
    assert (found.ContentDate, found.SeriesNumber) == ("20200101", 102)
    digests = [item.ContributionDescription.split()[2].strip(".") for item in found.ContributingEquipmentSequence[:2]]
    assert digests == [SYNTHESISER.digest, SEGMENTER.digest]
    assert dates_in(found) == {"20200101", "120000", "19700101"}, "no date may be the clock's"
    assert found.LossyImageCompression == "00"
    assert is_own_output(found)


def test_lossy_stays_lossy(tmp_path: Path) -> None:
    lossy = {"LossyImageCompression": "01", "LossyImageCompressionRatio": "9.5"}
    found = segment(made(tmp_path / "in", LossyImageCompressionMethod="ISO_10918_1", **lossy))
    assert (found.LossyImageCompression, found.LossyImageCompressionRatio) == ("01", 9.5)
    assert not dciodvfy(saved(found, tmp_path / "seg.dcm"))


def test_arteries_are_as_blue_as_in_the_report() -> None:
    assert COLOURS == PALETTE
    assert COLOURS[Vessel.ARTERY][2] > COLOURS[Vessel.ARTERY][0]
    assert COLOURS[Vessel.VEIN][0] > COLOURS[Vessel.VEIN][2]


def test_every_frame_names_its_source_and_empty_ones_are_left_out(tmp_path: Path) -> None:
    vessels = made(tmp_path / "in", orientation=OBLIQUE)
    found = segment(vessels)
    sources = {one.header.SOPInstanceUID: one.header for one in vessels.ncct.series.instances}
    assert found.NumberOfFrames == 2 * (SHAPE[0] - 2)
    for frame in found.PerFrameFunctionalGroupsSequence:
        (reference,) = frame.DerivationImageSequence[0].SourceImageSequence
        source = sources[reference.ReferencedSOPInstanceUID]
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(position, source.ImagePositionPatient, rtol=0, atol=1e-11)
    (series,) = found.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == SERIES_UID
    assert {one.ReferencedSOPInstanceUID for one in series.ReferencedInstanceSequence} == set(sources)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("vessel", list(Vessel))
def test_one_vessel_alone_keeps_its_number(tmp_path: Path, vessel: Vessel, layout: Layout) -> None:
    both = made(tmp_path / "in")
    alone = dataclasses.replace(both, labels=both.labels.with_array(both.labels.array * (both.labels.array == vessel)))
    path = saved(segment(alone, layout), tmp_path / "seg.dcm")
    assert {one[0] for one in voxels(dcmread(path))} == {int(vessel)}
    assert [one.SegmentNumber for one in dcmread(path).SegmentSequence if one.SegmentNumber] == [1, 2]
    images, _ = dcmqi_segments(path, tmp_path / "out")
    assert by_dcmqi(images) == voxels(dcmread(path))
    assert not table_errors(dcmread(path))
    assert layout == "LABELMAP" or not dciodvfy(path)


def test_no_vessel_no_object(tmp_path: Path) -> None:
    vessels = made(tmp_path / "in")
    empty = dataclasses.replace(vessels, labels=vessels.labels.with_array(np.zeros_like(vessels.labels.array)))
    assert vessel_segmentation(empty) is None


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    vessels = made(tmp_path / "in")
    for layout in LAYOUTS:
        first = saved(segment(vessels, layout), tmp_path / "a.dcm").read_bytes()
        assert first == saved(segment(vessels, layout), tmp_path / "b.dcm").read_bytes()
    assert segment(vessels, "BINARY").SOPInstanceUID != segment(vessels, "LABELMAP").SOPInstanceUID


@pytest.mark.parametrize("layout", LAYOUTS)
def test_slices_that_disagree_in_frame_of_reference_and_last_digits(tmp_path: Path, layout: Layout) -> None:
    def edit(number: int, image: Dataset) -> None:
        image.FrameOfReferenceUID = f"1.2.3.{number + 1}"
        image.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, number * 1e-7]

    vessels = made(tmp_path / "in", edit=edit)
    found = segment(vessels, layout)
    assert found.FrameOfReferenceUID == "1.2.3.1"
    assert voxels(found) == truth_voxels(tmp_path / "in")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_from_an_enhanced_source(tmp_path: Path, layout: Layout) -> None:
    plain = made(tmp_path / "plain", orientation=OBLIQUE, spacing=(2.5, 0.7, 0.9))
    instances = [dcmread(one.path) for one in plain.ncct.series.instances]
    enhanced = highdicom.legacy.LegacyConvertedEnhancedCTImage(instances[::-1], "1.2.77", 1, "1.2.78", 1)
    (tmp_path / "enhanced").mkdir()
    saved(enhanced, tmp_path / "enhanced" / "one.dcm")
    path = saved(segment(case_on(series_of(tmp_path / "enhanced"), plain.labels.array), layout), tmp_path / "seg.dcm")
    found = dcmread(path)
    assert voxels(found) == truth_voxels(tmp_path / "plain")
    for frame in found.PerFrameFunctionalGroupsSequence:
        (reference,) = frame.DerivationImageSequence[0].SourceImageSequence
        assert reference.ReferencedSOPInstanceUID == "1.2.78"
        source = enhanced.PerFrameFunctionalGroupsSequence[reference.ReferencedFrameNumber - 1]
        positions = [one.PlanePositionSequence[0].ImagePositionPatient for one in (frame, source)]
        np.testing.assert_allclose(*positions, rtol=0, atol=1e-11)
    (whole,) = found.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert whole.ReferencedSOPInstanceUID == "1.2.78"
    assert "ReferencedFrameNumber" not in whole
    assert layout == "LABELMAP" or not dciodvfy(path)


@pytest.mark.parametrize("attributes", [{}, {"PatientID": None, "StudyDate": None, "SliceThickness": None}])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_validator_finds_an_error(tmp_path: Path, attributes: dict[str, Any], layout: Layout) -> None:
    path = saved(segment(made(tmp_path / "in", **attributes), layout), tmp_path / "seg.dcm")
    assert not table_errors(dcmread(path))
    assert layout == "LABELMAP" or not dciodvfy(path)


@pytest.mark.parametrize("name", ["lidc-0314-ncct", "lidc-0001-cect"])
def test_real_headers(real_data: Path, tmp_path: Path, name: str) -> None:
    series = series_of(real_data / name)
    shape = (len(series.instances), series.instances[0].header.Rows, series.instances[0].header.Columns)
    labels = np.zeros(shape, dtype=np.uint8)
    labels[20:90, 200:210, 100:111] = Vessel.ARTERY
    labels[40:100, 300:303, 350:357] = Vessel.VEIN
    path = saved(segment(case_on(series, labels)), tmp_path / "seg.dcm")
    found = dcmread(path)
    assert not table_errors(found)
    assert not dciodvfy(path)
    images, _ = dcmqi_segments(path, tmp_path / "out")
    assert len(by_dcmqi(images)) == np.count_nonzero(labels)
    assert by_dcmqi(images) == voxels(found)
    volume = segread(path).get_volume(combine_segments=True, allow_missing_positions=True)
    np.testing.assert_array_equal(volume.match_geometry(case_on(series, labels).labels).array, labels)


def test_a_map_that_is_none_is_refused(tmp_path: Path) -> None:
    vessels = made(tmp_path / "in")
    with pytest.raises(ValueError, match="uint8 values up to 2"):
        vessel_segmentation(dataclasses.replace(vessels, labels=vessels.labels.with_array(vessels.labels.array * 2)))
    with pytest.raises(ValueError, match="its series"):
        vessel_segmentation(dataclasses.replace(vessels, labels=vessels.labels[1:]))
