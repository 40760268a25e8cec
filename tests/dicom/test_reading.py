"""HU values and memory of the volume, against SimpleITK, highdicom and the numbers that were written."""

from __future__ import annotations

import dataclasses
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
import SimpleITK
from dicom_factory import ct_series
from pydicom import Dataset, dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from pulmomap.case import Instance, SelectedSeries
from pulmomap.dicom.frames import slices_of
from pulmomap.dicom.index import index_folder
from pulmomap.dicom.pixels import stored_values
from pulmomap.dicom.reading import read_volume
from pulmomap.dicom.selection import SelectionRules, select
from pulmomap.refusals import Flag, Refusal, Refused

LENIENT = SelectionRules(min_slices=2, refuse_contrast_tags=False, keep="all", max_spacing_mm=100)


def one_series(folder: Path) -> SelectedSeries:
    selection = select(index_folder(folder), LENIENT)
    assert not selection.rejected, selection.rejected
    (series,) = selection.selected
    return series


def with_simpleitk(folder: Path) -> SimpleITK.Image:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, RLELossless, JPEGLSLossless, JPEG2000Lossless, DeflatedExplicitVRLittleEndian]
)
def test_every_lossless_syntax_gives_what_was_written(tmp_path: Path, syntax: str) -> None:
    hu = np.random.default_rng(1).integers(-1024, 3000, (4, 40, 36))
    if syntax == DeflatedExplicitVRLittleEndian:
        for path in ct_series(tmp_path, shape=hu.shape, hu=hu):
            dataset = dcmread(path)
            dataset.file_meta.TransferSyntaxUID = syntax
            dataset.save_as(path)
    else:
        ct_series(tmp_path, shape=hu.shape, hu=hu, syntax=syntax)
    volume = read_volume(one_series(tmp_path))
    assert volume.array.dtype == np.float32
    np.testing.assert_array_equal(volume.array, hu)


def test_slices_lie_in_the_order_of_their_positions(tmp_path: Path) -> None:
    hu = np.arange(6)[:, None, None] * np.ones((6, 4, 4))
    ct_series(tmp_path, shape=hu.shape, hu=hu, names=lambda k: f"{(k * 5) % 7}.dcm")
    assert read_volume(one_series(tmp_path)).array[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]


def test_slope_and_intercept_are_taken_slice_by_slice(tmp_path: Path) -> None:
    stored = np.random.default_rng(2).integers(0, 4000, (5, 4, 4))

    def rescale(number: int, dataset: Dataset) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = 1 + number / 4, -1000 - number

    ct_series(tmp_path, shape=stored.shape, hu=stored - 1024, edit=rescale)
    expected = stored * (1 + np.arange(5) / 4)[:, None, None] - (1000 + np.arange(5))[:, None, None]
    np.testing.assert_allclose(read_volume(one_series(tmp_path)).array, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("representation", "padding", "limit", "air"),
    [
        (1, 63536, None, {-2000}),  # -2000, stated as unsigned
        (1, -2000, None, {-2000}),
        (1, -2000, -1990, {-2000, -1995, -1990}),
        (1, -1990, -2000, {-2000, -1995, -1990}),
        (0, 0, None, {0}),
        (0, 65535, None, {65535}),
    ],
)  # fmt: skip
def test_padding_is_air(tmp_path: Path, representation: int, padding: int, limit: int | None, air: set[int]) -> None:
    values = [-2000, -1995, -1990, 24, 1024, 0] if representation else [0, 65535, 1, 24, 1024, 40000]
    stored = np.array(values).reshape(2, 3)

    def pixels(_: int, dataset: Dataset) -> None:
        dataset.PixelRepresentation = representation
        dataset.PixelData = stored.astype("<i2" if representation else "<u2").tobytes()
        kind = "US" if padding > 32767 or not representation else "SS"
        dataset.add_new("PixelPaddingValue", kind, padding)
        if limit is not None:
            dataset.add_new("PixelPaddingRangeLimit", "SS", limit)

    ct_series(tmp_path, shape=(2, 2, 3), edit=pixels)
    expected = np.where(np.isin(stored, list(air)), -1024.0, stored - 1024.0)
    np.testing.assert_array_equal(read_volume(one_series(tmp_path)).array[0], expected)


@pytest.mark.parametrize("signed", [False, True])
def test_unused_high_bits_are_no_part_of_the_value(tmp_path: Path, signed: bool) -> None:
    """Old scanners keep overlays in the four bits above twelve stored ones."""
    values = np.array([[-1024, -1, 0, 2047]] if signed else [[0, 1, 1024, 4095]])

    def pixels(_: int, dataset: Dataset) -> None:
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, int(signed)
        dataset.PixelData = ((values & 0x0FFF) | 0xA000).astype("<u2").tobytes()

    ct_series(tmp_path, shape=(2, 1, 4), edit=pixels)
    np.testing.assert_array_equal(read_volume(one_series(tmp_path)).array[0], values - 1024)


def test_affine_and_values_agree_with_highdicom_and_simpleitk(tmp_path: Path) -> None:
    """Oblique, non-square pixels."""
    turn = np.radians(12)
    orientation = (np.cos(turn), np.sin(turn), 0, -np.sin(turn), np.cos(turn), 0)
    ct_series(tmp_path, shape=(6, 9, 7), spacing=(2.5, 0.9, 0.6), orientation=orientation)
    volume = read_volume(one_series(tmp_path))
    other = highdicom.get_volume_from_series([dcmread(one) for one in sorted(tmp_path.iterdir())])
    other = other.flip_spatial(0)  # highdicom stacks against row direction x column direction
    np.testing.assert_allclose(other.affine, volume.affine, atol=1e-6)
    np.testing.assert_array_equal(other.array, volume.array)
    image = with_simpleitk(tmp_path)
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), volume.array)
    for index in [(0, 0, 0), (5, 8, 6), (2, 3, 4)]:
        there = image.TransformIndexToPhysicalPoint(index[::-1])
        np.testing.assert_allclose(there, volume.map_indices_to_reference(np.array([index]))[0], atol=1e-5)


@pytest.mark.parametrize("name", ["lidc-0314-ncct", "lidc-0001-cect", "lungdx-a0001-ncct-5mm"])
def test_real_series_agree_with_simpleitk(real_data: Path, name: str) -> None:
    series = one_series(real_data / name)
    volume = read_volume(series)
    image = with_simpleitk(series.instances[0].path.parent)
    there = SimpleITK.GetArrayFromImage(image)
    padded = volume.array != there
    assert np.all(volume.array[padded] == -1024)
    assert np.all(there[padded] < -1024)
    np.testing.assert_allclose(image.GetOrigin(), volume.affine[:3, 3], atol=1e-3)
    np.testing.assert_allclose(image.GetSpacing()[::-1], volume.spacing, rtol=1e-4)


def test_a_real_series_agrees_with_highdicom(real_data: Path) -> None:
    series = one_series(real_data / "lungdx-a0001-ncct-5mm")
    series = dataclasses.replace(series, instances=series.instances[:12])
    volume = read_volume(series)
    other = highdicom.get_volume_from_series([dcmread(one.path) for one in series.instances])
    other = other.flip_spatial(0)  # highdicom stacks against row direction x column direction
    np.testing.assert_allclose(other.affine, volume.affine, atol=1e-6)
    np.testing.assert_array_equal(other.array, volume.array)


def test_enhanced_multi_frame_equals_the_slices_it_was_made_of(tmp_path: Path) -> None:
    hu = np.random.default_rng(3).integers(-1024, 1000, (5, 8, 6))
    paths = ct_series(tmp_path / "slices", shape=hu.shape, hu=hu, spacing=(2.0, 0.9, 0.6))
    enhanced = highdicom.legacy.LegacyConvertedEnhancedCTImage(
        legacy_datasets=[dcmread(one) for one in paths[::-1]], series_instance_uid="1.2.3", series_number=2,
        sop_instance_uid="1.2.3.4", instance_number=1,
    )  # fmt: skip
    (tmp_path / "enhanced").mkdir()
    enhanced.save_as(tmp_path / "enhanced" / "one.dcm")
    series = one_series(tmp_path / "enhanced")
    assert len(series.instances) == 1
    volume, slices = read_volume(series), read_volume(one_series(tmp_path / "slices"))
    np.testing.assert_array_equal(volume.array, hu)
    np.testing.assert_allclose(volume.affine, slices.affine)
    assert volume.frame_of_reference_uid == slices.frame_of_reference_uid


def test_a_file_without_meta_information_is_read(tmp_path: Path) -> None:
    paths = ct_series(tmp_path, shape=(3, 4, 4))
    expected = read_volume(one_series(tmp_path)).array
    for path in paths:
        dataset = dcmread(path)
        del dataset.file_meta
        dataset.preamble = None
        dataset.save_as(path, implicit_vr=True, little_endian=True, enforce_file_format=False)
    np.testing.assert_array_equal(read_volume(one_series(tmp_path)).array, expected)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless])
def test_cut_pixels_name_the_slice_and_the_syntax(tmp_path: Path, syntax: Any) -> None:
    paths = ct_series(tmp_path, shape=(5, 32, 32), syntax=syntax)
    paths[3].write_bytes(paths[3].read_bytes()[:-400])
    series = one_series(tmp_path)
    with pytest.raises(Refused, match="slice 4") as caught:
        read_volume(series)
    assert caught.value.code is Refusal.UNREADABLE
    assert syntax.name in caught.value.detail or "declares" in caught.value.detail
    assert str(tmp_path) not in caught.value.detail


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEGLSLossless])
def test_a_header_that_declares_too_much_takes_no_memory(tmp_path: Path, syntax: str) -> None:
    paths = ct_series(tmp_path, shape=(3, 16, 16), syntax=syntax)
    for path in paths:
        dataset = dcmread(path)
        dataset.Rows = dataset.Columns = 65535
        dataset.save_as(path)
    series = one_series(tmp_path)
    tracemalloc.start()
    with pytest.raises(Refused) as caught:
        read_volume(series)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code is Refusal.UNREADABLE
    assert peak < 2**24


def test_memory_is_one_volume_and_a_few_slices(tmp_path: Path) -> None:
    ct_series(tmp_path, shape=(64, 128, 128))
    series = one_series(tmp_path)
    tracemalloc.start()
    volume = read_volume(series)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    slice_bytes = 128 * 128 * 8
    assert peak < volume.array.nbytes + 8 * slice_bytes + 2**20


def _alone(path: Path, folder: Path) -> SelectedSeries:
    """A series of two: the file and its own pixels one slice further on."""
    folder.mkdir()
    shutil.copy(path, folder / "a.dcm")
    dataset = dcmread(path)
    x, y, z = dataset.ImagePositionPatient
    dataset.ImagePositionPatient = [x, y, z + 5]
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset.save_as(folder / "b.dcm")
    return one_series(folder)


CS3D = "CTImage.dcm_LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1.dcm"
LOSSY = {"4.50": 65, "4.51": 40, "4.53": 40, "4.55": 40, "4.81": 1, "4.91": 5}
"""Largest error in HU of the lossy versions of this image (its 8-bit version has steps of 32 HU)."""


def test_fifteen_syntaxes_of_one_image(odd_data: Path, tmp_path: Path) -> None:
    paths = sorted((odd_data / "cs3d_ctimage").iterdir())
    truth = read_volume(_alone(odd_data / "cs3d_ctimage" / CS3D, tmp_path / "truth")).array[0]
    for number, path in enumerate(paths):
        series = _alone(path, tmp_path / str(number))
        allowed = next((error for end, error in LOSSY.items() if path.stem.endswith(end)), 0)
        values = read_volume(series).array
        inside = (truth > -1024) & (values[0] > -1024)
        assert np.abs(values[0] - truth)[inside].max() <= allowed, path.name
        np.testing.assert_array_equal(values[0], values[1])
        assert (Flag.LOSSY_COMPRESSION in series.flags) == (allowed > 0), path.name


@pytest.mark.parametrize("name", ["CT1_J2KR", "CT1_JLSL", "CT1_JPLL", "CT1_UNC.explicit_big_endian.dcm",
                                  "CT1_UNC.implicit_little_endian.dcm"])  # fmt: skip
def test_nema_images_agree(odd_data: Path, tmp_path: Path, name: str) -> None:
    plain = read_volume(_alone(odd_data / "nema_ct1" / "CT1_UNC.explicit_little_endian.dcm", tmp_path / "plain")).array
    np.testing.assert_array_equal(read_volume(_alone(odd_data / "nema_ct1" / name, tmp_path / "other")).array, plain)


def test_big_endian_pixels_of_ge_are_read(odd_data: Path) -> None:
    path = odd_data / "broken" / "PrivateGEImplicitVRBigEndianTransferSyntax16Bits.dcm"
    header = dcmread(path)
    raw = np.frombuffer(header.PixelData, ">u2")[: 512 * 512].reshape(512, 512)
    (stored,) = stored_values(path, header, slices_of([Instance(path, header)]))
    np.testing.assert_array_equal(stored, raw)


def test_pixels_of_another_size_are_refused(tmp_path: Path) -> None:
    ct_series(tmp_path, shape=(3, 8, 8))
    series = one_series(tmp_path)
    ct_series(tmp_path, shape=(3, 8, 4))
    with pytest.raises(Refused) as caught:
        read_volume(series)
    assert caught.value.code is Refusal.UNREADABLE


def test_a_vanished_file_is_refused(tmp_path: Path) -> None:
    ct_series(tmp_path, shape=(3, 8, 8))
    series = one_series(tmp_path)
    broken = dataclasses.replace(series.instances[1], path=tmp_path / "gone.dcm")
    series = dataclasses.replace(series, instances=(series.instances[0], broken, series.instances[2]))
    with pytest.raises(Refused) as caught:
        read_volume(series)
    assert caught.value.code is Refusal.UNREADABLE
