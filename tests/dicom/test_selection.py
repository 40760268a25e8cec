"""Which series pass, and the name of the reason for each that does not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import FRAME_UID, SERIES_UID, UID_ROOT, ct_series, save
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence as Items

from pulmomap.dicom.index import index_folder
from pulmomap.dicom.selection import Selection, SelectionRules, select, series_key
from pulmomap.refusals import Flag, Refusal

RULES = SelectionRules()
OTHER = UID_ROOT + "70"


def selection(folder: Path, **rules: Any) -> Selection:
    return select(index_folder(folder), SelectionRules(**rules))


def refusal(folder: Path, **rules: Any) -> tuple[Refusal, str]:
    found = selection(folder, **rules)
    assert not found.selected
    (one,) = found.rejected
    assert one.detail
    assert "canary" not in one.detail.lower()
    return one.code, one.detail


def test_a_plain_series_passes(tmp_path: Path) -> None:
    ct_series(tmp_path, names=lambda k: f"{(k * 7) % 32}.dcm")
    (series,) = selection(tmp_path).selected
    assert series.series_uid == SERIES_UID
    assert series.frame_of_reference_uid == FRAME_UID
    assert [one.header.InstanceNumber for one in series.instances] == list(range(1, 33))
    assert (series.flags, series.notes, series.companions) == ((), (), ())
    assert len(series.key) == 16
    int(series.key, 16)


@pytest.mark.parametrize(
    ("overrides", "code", "named"),
    [
        ({"Modality": "MR"}, Refusal.NOT_CT, "MR"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, Refusal.NOT_CT, "Secondary Capture"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, Refusal.LOCALIZER, "LOCALIZER"),
        ({"ImageType": ["DERIVED", "SECONDARY", "AXIAL"]}, Refusal.DERIVED, "SECONDARY"),
        ({"ImageType": ["DERIVED", "PRIMARY", "PROJECTION IMAGE"]}, Refusal.DERIVED, "PROJECTION"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "CSA MPR"]}, Refusal.DERIVED, "MPR"),
        ({"SyntheticData": "YES"}, Refusal.DERIVED, "SyntheticData"),
        ({"ManufacturerModelName": "PulmoMAP"}, Refusal.DERIVED, "PulmoMAP"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, Refusal.DERIVED, "RGB"),
        ({"RescaleType": "MGML"}, Refusal.DERIVED, "MGML"),
        ({"RescaleType": "Z_EFF"}, Refusal.DERIVED, "Z_EFF"),
        ({"ContrastBolusAgent": "OMNIPAQUE 300"}, Refusal.CONTRAST_PRESENT, "ContrastBolusAgent"),
        ({"SeriesDescription": "CTPA 1.0 B30f"}, Refusal.CONTRAST_PRESENT, "SeriesDescription"),
        ({"BodyPartExamined": "HEAD"}, Refusal.NOT_CHEST, "HEAD"),
        ({"orientation": (1, 0, 0, 0, 0, -1)}, Refusal.NOT_AXIAL, "90 degrees"),
        ({"shape": (20, 4, 4)}, Refusal.TOO_FEW_SLICES, "20 slices"),
        ({"spacing": (7.0, 0.7, 0.7)}, Refusal.THICK_SLICES, "7.00 mm apart"),
        ({"SliceThickness": 8}, Refusal.THICK_SLICES, "8.00 mm thick"),
        ({"GantryDetectorTilt": 12.0}, Refusal.GANTRY_TILT, "12"),
    ],
)
def test_each_reason_has_its_name(tmp_path: Path, overrides: dict[str, Any], code: Refusal, named: str) -> None:
    ct_series(tmp_path, **overrides)
    found, detail = refusal(tmp_path)
    assert found is code
    assert named in detail


@pytest.mark.parametrize(
    "keyword",
    ["StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "ImageType", "ImagePositionPatient",
     "PixelSpacing",
     "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept", "Rows", "Columns", "BitsAllocated", "Modality",
     "PhotometricInterpretation"],
)  # fmt: skip
def test_a_missing_attribute_is_named(tmp_path: Path, keyword: str) -> None:
    def remove(number: int, dataset: Dataset) -> None:
        if number == 5 or keyword in ("StudyInstanceUID", "SeriesInstanceUID"):
            delattr(dataset, keyword)
            if keyword == "BitsAllocated":
                del dataset.PixelData  # cannot be written without

    ct_series(tmp_path, edit=remove)
    code, detail = refusal(tmp_path)
    assert code is Refusal.INCOMPLETE_HEADER
    assert keyword in detail


@pytest.mark.parametrize(
    ("keyword", "vr", "value"),
    [("PixelSpacing", "LO", "wide"), ("ImagePositionPatient", "LO", "1\\2"), ("RescaleSlope", "LO", "0"),
     ("ImagePositionPatient", "LO", "nan\\0\\0"), ("ImagePositionPatient", "LO", "1e300\\0\\0"),
     ("PixelSpacing", "LO", "-1\\1"), ("ImageOrientationPatient", "LO", "1\\0\\0\\1\\0\\0")],
)  # fmt: skip
def test_a_malformed_attribute_is_named(tmp_path: Path, keyword: str, vr: str, value: str) -> None:
    def spoil(number: int, dataset: Dataset) -> None:
        if number == 0:
            delattr(dataset, keyword)
            dataset.add_new(keyword, vr, value.split("\\"))

    ct_series(tmp_path, edit=spoil)
    code, detail = refusal(tmp_path)
    assert code in (Refusal.INCOMPLETE_HEADER, Refusal.MIXED_ORIENTATION)
    assert keyword in detail or code is Refusal.MIXED_ORIENTATION


def test_a_missing_slice_is_named(tmp_path: Path) -> None:
    paths = ct_series(tmp_path, shape=(40, 4, 4), spacing=(1.5, 0.7, 0.7))
    paths[10].unlink()
    paths[20].unlink()
    code, detail = refusal(tmp_path)
    assert code is Refusal.MISSING_SLICES
    assert "2 slices are missing at z = -285.0 mm, z = -270.0 mm" in detail


def test_identical_copies_are_left_out(tmp_path: Path) -> None:
    paths = ct_series(tmp_path / "a")
    alone = selection(tmp_path).selected[0]
    for path in paths[:4]:
        (tmp_path / "again").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "again")
    (series,) = selection(tmp_path).selected
    assert len(series.instances) == 32
    assert series.key == alone.key
    assert series.notes == ("4 files were byte-identical copies of others and were left out",)


def test_one_uid_for_two_images_is_refused(tmp_path: Path) -> None:
    ct_series(tmp_path / "a")
    ct_series(tmp_path / "b", shape=(1, 8, 10), hu=0)
    code, detail = refusal(tmp_path)
    assert code is Refusal.DUPLICATE_POSITIONS
    assert "two different files" in detail


def test_two_acquisitions_in_one_series_are_refused(tmp_path: Path) -> None:
    ct_series(tmp_path / "a")

    def second(number: int, dataset: Dataset) -> None:
        dataset.SOPInstanceUID = f"{UID_ROOT}9.{number}"

    ct_series(tmp_path / "b", edit=second)
    assert refusal(tmp_path)[0] is Refusal.DUPLICATE_POSITIONS


@pytest.mark.parametrize(
    ("overrides", "flags"),
    [
        ({"spacing": (2.5, 0.7, 0.7)}, ()),
        ({"spacing": (3.0, 0.7, 0.7)}, (Flag.THICK_SLICES,)),
        ({"spacing": (5.0, 0.7, 0.7)}, (Flag.THICK_SLICES,)),
        ({"SliceThickness": 5.0}, (Flag.THICK_SLICES,)),
        ({"ConvolutionKernel": "LUNG"}, (Flag.SHARP_KERNEL,)),
        ({"ConvolutionKernel": ["Bl57f", "3"]}, (Flag.SHARP_KERNEL,)),
        ({"LossyImageCompression": "01"}, (Flag.LOSSY_COMPRESSION,)),
        ({"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]}, ()),
        ({"BodyPartExamined": "ABDOMEN"}, ()),
        ({"ContrastBolusAgent": "NONE"}, ()),
    ],
)
def test_flags(tmp_path: Path, overrides: dict[str, Any], flags: tuple[Flag, ...]) -> None:
    ct_series(tmp_path, **overrides)
    (series,) = selection(tmp_path).selected
    assert series.flags == flags


def reconstruction(folder: Path, series_uid: str, **overrides: Any) -> None:
    def own_uid(number: int, dataset: Dataset) -> None:
        dataset.SOPInstanceUID = f"{series_uid}.{number + 1}"

    shape = overrides.pop("shape", (12, 4, 4))
    ct_series(folder, shape=shape, edit=own_uid, SeriesInstanceUID=series_uid, **overrides)


A, B, C = (UID_ROOT + str(number) for number in (101, 102, 103))


@pytest.mark.parametrize(
    ("first", "second", "best"),
    [
        ({"ConvolutionKernel": "LUNG"}, {"ConvolutionKernel": "STANDARD"}, B),
        ({"ConvolutionKernel": "STANDARD"}, {"ConvolutionKernel": "SOFT"}, B),
        ({"ConvolutionKernel": "B70f"}, {"ConvolutionKernel": "made-up"}, B),
        ({"spacing": (2.0, 0.7, 0.7), "shape": (6, 4, 4)}, {}, B),
        ({}, {"spacing": (0.5, 0.7, 0.7), "shape": (24, 4, 4)}, A),
        ({"spacing": (5.0, 0.7, 0.7), "shape": (6, 4, 4)}, {"ConvolutionKernel": "LUNG", "shape": (30, 4, 4)}, B),
        ({}, {}, A),
        ({"shape": (10, 4, 4)}, {}, B),
    ],
)
def test_the_best_reconstruction_is_kept(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], best: str
) -> None:
    reconstruction(tmp_path / "a", A, **first)
    reconstruction(tmp_path / "b", B, **second)
    found = selection(tmp_path, min_slices=2)
    assert [one.series_uid for one in found.selected] == [best]
    (other,) = found.rejected
    assert other.code is Refusal.NOT_PREFERRED
    assert best in other.detail
    assert len(selection(tmp_path, keep="all", min_slices=2).selected) == 2


@pytest.mark.parametrize(
    "overrides",
    [{"FrameOfReferenceUID": OTHER}, {"StudyInstanceUID": OTHER}, {"origin": (-100.0, -90.0, 200.0)}],
)
def test_other_scans_are_kept_beside(tmp_path: Path, overrides: dict[str, Any]) -> None:
    reconstruction(tmp_path / "a", A)
    reconstruction(tmp_path / "b", B, **overrides)
    assert len(selection(tmp_path, min_slices=2).selected) == 2


def test_a_bad_series_does_not_stop_the_others(tmp_path: Path) -> None:
    reconstruction(tmp_path / "a", A, Modality="MR")
    reconstruction(tmp_path / "b", B)
    reconstruction(tmp_path / "c", C, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    (tmp_path / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 50)
    found = selection(tmp_path, min_slices=2)
    assert [one.series_uid for one in found.selected] == [B]
    assert [(one.series_uid, one.code) for one in found.rejected] == [(A, Refusal.NOT_CT), (C, Refusal.LOCALIZER)]
    assert [one.path.name for one in found.unreadable] == ["broken.dcm"]


def test_the_order_of_files_changes_nothing(tmp_path: Path) -> None:
    reconstruction(tmp_path / "x" / "1", A)
    reconstruction(tmp_path / "x" / "2", B)
    reconstruction(tmp_path / "y" / "2", A, names=lambda k: f"{99 - k}.dcm")
    reconstruction(tmp_path / "y" / "1", B)
    one, other = (selection(tmp_path / folder, min_slices=2).selected for folder in "xy")
    assert [(a.series_uid, a.key) for a in one] == [(b.series_uid, b.key) for b in other]


def companion(path: Path, sop_class: str, modality: str, **overrides: Any) -> Path:
    (source,) = ct_series(path.parent / "tmp", shape=(1, 4, 4))
    dataset = dcmread(source)
    shutil.rmtree(path.parent / "tmp")
    del dataset.PixelData
    dataset.SOPClassUID, dataset.Modality = sop_class, modality
    dataset.SOPInstanceUID = dataset.SeriesInstanceUID = UID_ROOT + f"55.{len(path.name)}"
    for keyword, value in overrides.items():
        setattr(dataset, keyword, value)
    save(dataset, path)
    return path


SEG, SR = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.88.34"


def test_companions_of_the_study_go_along(tmp_path: Path) -> None:
    ct_series(tmp_path / "ct")
    path = companion(tmp_path / "seg.dcm", SEG, "SEG")
    companion(tmp_path / "elsewhere.dcm", SEG, "SEG", StudyInstanceUID=OTHER)
    found = selection(tmp_path)
    assert found.selected[0].companions == (path,)
    assert {one.code for one in found.rejected} == {Refusal.NOT_CT}


@pytest.mark.parametrize(("sop_class", "modality"), [(SEG, "SEG"), (SR, "SR")])
def test_our_own_results_are_never_taken_in_again(tmp_path: Path, sop_class: str, modality: str) -> None:
    ct_series(tmp_path / "ct")
    equipment = Dataset()
    equipment.Manufacturer = "PulmoMAP project"
    companion(tmp_path / "own.dcm", sop_class, modality, ContributingEquipmentSequence=Items([equipment]))
    found = selection(tmp_path)
    assert found.selected[0].companions == ()
    assert [one.code for one in found.rejected] == [Refusal.DERIVED]


@given(uids=st.lists(st.text("0123456789.", min_size=1, max_size=20), min_size=1, unique=True), data=st.data())
def test_the_key_depends_on_the_set_of_images_only(uids: list[str], data: st.DataObject) -> None:
    key = series_key("1.2", uids)
    assert key == series_key("1.2", data.draw(st.permutations(uids)))
    assert key != series_key("1.3", uids)
    assert key != series_key("1.2", [*uids, "late"])


@pytest.mark.parametrize(
    "wrong",
    [{"unknown": 1}, {"min_slices": 1}, {"flag_spacing_mm": 6.0}, {"kernel_order": ("soft",)}, {"keep": "some"}],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SelectionRules(**wrong)


def test_every_setting_is_described() -> None:
    assert all(field.description for field in SelectionRules.model_fields.values())


def test_nothing_depends_on_pixels(tmp_path: Path) -> None:
    ct_series(tmp_path, edit=lambda _, dataset: setattr(dataset, "PixelData", b"\0\0"))
    assert len(selection(tmp_path).selected) == 1


@pytest.mark.parametrize(
    ("name", "rules", "expected"),
    [
        ("lidc-0314-ncct", {}, (275, (Flag.SHARP_KERNEL, Flag.MIXED_FRAME_OF_REFERENCE))),
        ("lungdx-a0001-ncct-5mm", {}, (64, (Flag.THICK_SLICES,))),
        ("lidc-0001-cect", {"refuse_contrast_tags": False}, (133, (Flag.MIXED_FRAME_OF_REFERENCE,))),
    ],
)
def test_real_series(real_data: Path, name: str, rules: dict[str, Any], expected: tuple[int, tuple[Flag, ...]]) -> None:
    (series,) = selection(real_data / name, **rules).selected
    assert (len(series.instances), series.flags) == expected
    heights = [one.header.ImagePositionPatient[2] for one in series.instances]
    assert np.all(np.diff(heights) > 0)


def test_a_real_contrast_series_is_refused_by_its_tags(real_data: Path) -> None:
    assert refusal(real_data / "lidc-0001-cect")[0] is Refusal.CONTRAST_PRESENT
