"""The Syn-CECT as DICOM: in its place, in whole HU, and honest about what it is."""

from __future__ import annotations

import dataclasses
from itertools import islice
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
import SimpleITK
from pydicom import Dataset, dcmread

from pulmomap.case import SynCect
from pulmomap.dicom.ct import synthetic_ct
from pulmomap.dicom.header import is_own_output
from pulmomap.dicom.index import index_folder
from pulmomap.dicom.reading import read_volume
from pulmomap.dicom.selection import SelectionRules, select
from pulmomap.refusals import Flag, Refusal
from tests.dicom.made_result import SYNTHESISER, case_on, dates_in, saved, series_of
from tests.dicom.validators import dciodvfy, table_errors
from tests.dicom_factory import FRAME_UID, SERIES_UID, STUDY_UID, ct_series

SHAPE = (5, 8, 10)
OBLIQUE = (0.9396926, 0.0, -0.3420201, 0.0593912, 0.9848078, 0.1631759)


def made(folder: Path, hu: Any = None, flags: tuple[Flag, ...] = (), **series: Any) -> SynCect:
    """A Syn-CECT on a series as the factory writes it."""
    ct_series(folder, **{"shape": SHAPE, **series})
    values = np.random.default_rng(5).integers(-1024, 3072, SHAPE) if hu is None else hu
    return case_on(series_of(folder), hu=values, flags=flags).syn


def written(syn: SynCect, folder: Path) -> list[Dataset]:
    folder.mkdir()
    paths = [saved(image, folder / f"{number}.dcm") for number, image in enumerate(synthetic_ct(syn))]
    return [dcmread(path) for path in paths]


@pytest.mark.parametrize("names", ["{:04d}.dcm".format, lambda number: f"{99 - number:04d}.dcm"])
@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), (-1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1), OBLIQUE])
def test_every_slice_lies_where_its_source_lies(tmp_path: Path, orientation: Any, names: Any) -> None:
    syn = made(tmp_path / "in", orientation=orientation, spacing=(2.5, 0.7, 0.9), names=names)
    sources = {one.header.SOPInstanceUID: one.header for one in syn.ncct.series.instances}
    images = written(syn, tmp_path / "out")
    assert len(images) == SHAPE[0]
    for number, image in enumerate(images):
        (reference,) = image.SourceImageSequence
        source = sources.pop(reference.ReferencedSOPInstanceUID)
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
            # The factory writes up to 18 characters, of which a decimal string may hold 16.
            np.testing.assert_allclose(image[keyword].value, source[keyword].value, rtol=0, atol=1e-11)
            assert all(len(str(one)) <= 16 for one in image[keyword].value)
        assert image.SliceThickness == source.SliceThickness
        np.testing.assert_allclose(image.ImagePositionPatient, syn.volume.affine[:3] @ (number, 0, 0, 1), atol=1e-4)
        np.testing.assert_array_equal(image.pixel_array, syn.volume.array[number])
    assert not sources


def test_other_readers_see_the_same_hu_in_the_same_places(tmp_path: Path) -> None:
    syn = made(tmp_path / "in", orientation=OBLIQUE, spacing=(2.5, 0.7, 0.9))
    written(syn, tmp_path / "out")
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "out")))
    image = reader.Execute()
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), syn.volume.array)
    for index in ((0, 0, 0), (4, 7, 9), (2, 5, 1)):
        place = image.TransformContinuousIndexToPhysicalPoint([float(one) for one in reversed(index)])
        np.testing.assert_allclose(place, syn.volume.affine[:3] @ (*index, 1), atol=1e-4)
    ours = read_volume(series_of(tmp_path / "out"))
    np.testing.assert_array_equal(ours.array, syn.volume.array)
    np.testing.assert_allclose(ours.affine, syn.volume.affine, atol=1e-4)


def test_it_says_what_it_is(tmp_path: Path) -> None:
    syn = made(tmp_path / "in", ContrastBolusAgent="Iodine", Manufacturer="Maker", CTDIvol=4.2, WindowCenter=1)
    for number, image in enumerate(written(syn, tmp_path / "out"), start=1):
        assert image.SyntheticData == "YES"
        assert list(image.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
        assert image.SeriesDescription == "Syn-CECT SYNTHETIC - not for diagnosis"
        assert image.BurnedInAnnotation == "NO"
        assert image.ContentQualification == "RESEARCH"
        assert "no contrast agent was given" in image.DerivationDescription
        assert "phantoms" in image.DerivationDescription
        assert SYNTHESISER.digest in image.ContributingEquipmentSequence[0].ContributionDescription
        assert image.ContributingEquipmentSequence[1].Manufacturer == "Maker"
        assert not any(element.keyword.startswith("ContrastBolus") for element in image)
        assert "CTDIvol" not in image, "a dose that was given once must not be counted twice"
        assert (image.RescaleSlope, image.RescaleIntercept, image.RescaleType) == (1, 0, "HU")
        assert (image.StudyInstanceUID, image.FrameOfReferenceUID) == (STUDY_UID, FRAME_UID)
        assert image.SeriesInstanceUID != SERIES_UID
        assert image.InstanceNumber == number
        assert image.PatientName == "Canary^Secret"
        assert image.AccessionNumber == "CANARY-ACC"
        assert dates_in(image) == {"20200101", "120000", "19700101"}, "no date may be the clock's"


def test_what_stays_true_is_kept_and_private_attributes_are_not(tmp_path: Path) -> None:
    def edit(number: int, image: Dataset) -> None:
        image.private_block(0x0009, "MAKER", create=True).add_new(1, "LO", "secret")

    syn = made(tmp_path / "in", KVP="120", PatientPosition="FFS", BodyPartExamined="CHEST", edit=edit)
    for image in written(syn, tmp_path / "out"):
        assert (image.KVP, image.PatientPosition, image.ConvolutionKernel) == (120, "FFS", "B30f")
        assert not any(element.tag.is_private for element in image)


def test_lossy_stays_lossy(tmp_path: Path) -> None:
    lossy = {"LossyImageCompression": "01", "LossyImageCompressionRatio": "9.5"}
    said = written(made(tmp_path / "said", **lossy, LossyImageCompressionMethod="ISO_10918_1"), tmp_path / "a")
    known = written(made(tmp_path / "known", flags=(Flag.LOSSY_COMPRESSION,)), tmp_path / "b")
    never = written(made(tmp_path / "never"), tmp_path / "c")
    assert {image.LossyImageCompression for image in (*said, *known)} == {"01"}
    assert {image.LossyImageCompressionRatio for image in said} == {9.5}
    assert not any("LossyImageCompression" in image for image in never)


def test_one_frame_of_reference_for_all(tmp_path: Path) -> None:
    def edit(number: int, image: Dataset) -> None:
        image.FrameOfReferenceUID = f"1.2.3.{number + 1}"

    syn = made(tmp_path / "in", edit=edit)
    assert {image.FrameOfReferenceUID for image in written(syn, tmp_path / "out")} == {"1.2.3.1"}


def test_from_an_enhanced_source(tmp_path: Path) -> None:
    plain = made(tmp_path / "plain", orientation=OBLIQUE, spacing=(2.5, 0.7, 0.9), KVP="100")
    instances = [dcmread(one.path) for one in plain.ncct.series.instances]
    enhanced = highdicom.legacy.LegacyConvertedEnhancedCTImage(instances[::-1], "1.2.77", 1, "1.2.78", 1)
    (tmp_path / "enhanced").mkdir()
    saved(enhanced, tmp_path / "enhanced" / "one.dcm")
    syn = case_on(series_of(tmp_path / "enhanced"), hu=plain.volume.array).syn
    images = written(syn, tmp_path / "out")
    frames = enhanced.PerFrameFunctionalGroupsSequence
    for image, expected in zip(images, synthetic_ct(plain), strict=True):
        (reference,) = image.SourceImageSequence
        assert reference.ReferencedSOPInstanceUID == "1.2.78"
        source = frames[reference.ReferencedFrameNumber - 1].PlanePositionSequence[0]
        np.testing.assert_allclose(image.ImagePositionPatient, source.ImagePositionPatient, rtol=0, atol=1e-11)
        np.testing.assert_allclose(image.ImagePositionPatient, expected.ImagePositionPatient, rtol=0, atol=1e-11)
        assert image.PixelData == expected.PixelData
        assert image.KVP == 100
    assert not dciodvfy(tmp_path / "out" / "0.dcm")


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    syn = made(tmp_path / "in")
    written(syn, tmp_path / "a")
    written(syn, tmp_path / "b")
    uids = set()
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
        uids.add(dcmread(path).SOPInstanceUID)
    assert len(uids) == SHAPE[0]


def test_we_never_take_it_for_a_scan(tmp_path: Path) -> None:
    images = written(made(tmp_path / "in"), tmp_path / "out")
    assert all(is_own_output(image) for image in images)
    (rejected,) = select(index_folder(tmp_path / "out"), SelectionRules(min_slices=2)).rejected
    assert rejected.code is Refusal.DERIVED


def test_a_volume_of_another_grid_is_refused(tmp_path: Path) -> None:
    syn = made(tmp_path / "in")
    moved = syn.volume.affine.copy()
    moved[:3, 3] += moved[:3, 0]
    volume = highdicom.Volume(syn.volume.array, moved, "PATIENT")
    with pytest.raises(ValueError, match=r"up to 1\.0 voxels away"):
        next(synthetic_ct(dataclasses.replace(syn, volume=volume)))
    with pytest.raises(ValueError, match=r"shape \(4, 8, 10\), its series \(5, 8, 10\)"):
        next(synthetic_ct(dataclasses.replace(syn, volume=syn.volume[:4])))
    with pytest.raises(ValueError, match="int16"):
        next(synthetic_ct(dataclasses.replace(syn, volume=syn.volume.astype(np.float32))))


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"PatientName": None, "PatientID": None, "StudyID": None, "StudyDate": None, "SliceThickness": None},
        {"KVP": "120", "PatientPosition": "HFS", "AcquisitionNumber": 1, "SliceLocation": "1.5"},
    ],
)
def test_no_validator_finds_an_error(tmp_path: Path, attributes: dict[str, Any]) -> None:
    (image, *_) = written(made(tmp_path / "in", **attributes), tmp_path / "out")
    assert not table_errors(image)
    assert not dciodvfy(tmp_path / "out" / "0.dcm")


@pytest.mark.parametrize("name", ["lidc-0314-ncct", "lidc-0001-cect"])
def test_no_validator_finds_an_error_on_real_headers(real_data: Path, tmp_path: Path, name: str) -> None:
    for image in islice(synthetic_ct(case_on(series_of(real_data / name), labels=0).syn), 0, None, 60):
        path = saved(image, tmp_path / "slice.dcm")
        assert not table_errors(dcmread(path))
        assert not dciodvfy(path)
