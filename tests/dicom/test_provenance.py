"""UIDs, numbers, dates and equipment of results."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import UID

from pulmomap.case import SelectedSeries
from pulmomap.dicom.header import is_own_output
from pulmomap.dicom.provenance import (
    Role,
    algorithm_identification,
    derive_uid,
    file_meta,
    moment,
    result_uid,
    series_number,
    set_equipment,
    set_moment,
)
from tests.dicom.made_result import SEGMENTER, SYNTHESISER

PARTS = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=4)
SERIES = SelectedSeries("00ff", "1.2.3", "1.2.4", "1.2.5", ())


def header(**attributes: object) -> Dataset:
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


@given(PARTS)
def test_a_uid_is_valid_and_always_the_same(parts: list[str]) -> None:
    uid = derive_uid(*parts)
    assert UID(uid).is_valid
    assert len(uid) <= 64
    assert uid == derive_uid(*parts)


@given(PARTS, PARTS)
def test_different_parts_give_different_uids(first: list[str], second: list[str]) -> None:
    assert (derive_uid(*first) == derive_uid(*second)) is (first == second)


def test_where_parts_begin_and_end_matters() -> None:
    assert derive_uid("a", "bc") != derive_uid("ab", "c") != derive_uid("abc")
    with pytest.raises(ValueError, match="null"):
        derive_uid("a\0bc")


def test_a_uid_holds_128_bits_of_sha256() -> None:
    number = int(hashlib.sha256(b"one\0two").hexdigest()[:32], 16)
    assert derive_uid("one", "two") == f"2.25.{number}"


def test_a_result_is_known_by_its_input_its_weights_and_its_role() -> None:
    retrained = dataclasses.replace(SEGMENTER, digest="b" * 64)
    adjusted = dataclasses.replace(SEGMENTER, settings="smallest_mm3=50")
    uids = {
        result_uid(SERIES, [SYNTHESISER, SEGMENTER], Role.VESSELS),
        result_uid(SERIES, [SYNTHESISER, SEGMENTER], Role.MEASUREMENTS),
        result_uid(SERIES, [SYNTHESISER, retrained], Role.VESSELS),
        result_uid(SERIES, [SYNTHESISER, adjusted], Role.VESSELS),
        result_uid(SERIES, [SYNTHESISER, SEGMENTER], Role.VESSELS, "LABELMAP"),
        result_uid(dataclasses.replace(SERIES, key="00fe"), [SYNTHESISER, SEGMENTER], Role.VESSELS),
    }
    assert len(uids) == 6
    elsewhere = dataclasses.replace(SERIES, instances=(), notes=("read from another folder",))
    assert result_uid(elsewhere, [SYNTHESISER, SEGMENTER], Role.VESSELS) in uids


@pytest.mark.parametrize(
    ("source", "expected"),
    [(1, 102), (30026, 3002602), (3000566, 300056602), (0, 9002), (-3, 9002), (None, 9002), (2**31 - 1, 9002)],
)
def test_series_numbers_follow_the_source(source: int | None, expected: int) -> None:
    number = series_number(header(SeriesNumber=source), Role.VESSELS)
    assert number == expected
    assert 0 < number < 2**31  # an integer string, DICOM PS3.5 6.2


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"ContentDate": "20200102", "ContentTime": "101112.5", "StudyDate": "20190101"}, ("20200102", "101112.5")),
        ({"ContentDate": "", "AcquisitionDate": "20200103", "ContentTime": "101112"}, ("20200103", "000000")),
        ({"SeriesDate": "20200104", "SeriesTime": ""}, ("20200104", "000000")),
        ({"StudyDate": "20200105", "StudyTime": "0830"}, ("20200105", "0830")),
        ({}, ("19000101", "000000")),
    ],
)
def test_dates_are_the_sources(attributes: dict[str, str], expected: tuple[str, str]) -> None:
    source, result = header(**attributes), header(InstanceCreationDate="20260101", InstanceCreationTime="120000")
    assert moment(source) == expected
    set_moment(result, source)
    assert (result.ContentDate, result.ContentTime) == (result.SeriesDate, result.SeriesTime) == expected
    assert "InstanceCreationDate" not in result
    assert "InstanceCreationTime" not in result


@pytest.mark.parametrize("date", ["2020.01.02", "today", "1"])
def test_a_malformed_date_counts_as_missing(date: str) -> None:
    with pytest.warns(UserWarning, match="Invalid value"):
        source = header(ContentDate=date, StudyDate="20200105")
    assert moment(source)[0] == "20200105"


def test_equipment_names_software_weights_and_scanner() -> None:
    result = Dataset()
    set_equipment(result, header(Manufacturer="Maker", ManufacturerModelName="Model 7"), [SYNTHESISER, SEGMENTER])
    synthesiser, segmenter, scanner = result.ContributingEquipmentSequence
    assert SYNTHESISER.digest in synthesiser.ContributionDescription
    assert SEGMENTER.digest in segmenter.ContributionDescription
    assert "phantoms" in segmenter.ContributionDescription
    assert list(segmenter.SoftwareVersions)[1] == SEGMENTER.version
    assert (scanner.Manufacturer, scanner.ManufacturerModelName) == ("Maker", "Model 7")
    purposes = [item.PurposeOfReferenceCodeSequence[0].CodeValue for item in (synthesiser, segmenter, scanner)]
    assert purposes == ["109102", "109102", "109101"]
    assert result.ContentQualification == "RESEARCH"
    assert is_own_output(result), "our own results must be known again and never be processed"


def test_equipment_without_a_known_scanner() -> None:
    result = Dataset()
    set_equipment(result, Dataset(), [SYNTHESISER])
    assert len(result.ContributingEquipmentSequence) == 1


def test_the_algorithm_is_its_name_version_and_weights() -> None:
    (item,) = algorithm_identification(SEGMENTER)
    assert item.AlgorithmName == "PulmoMAP vessel_segmentation"
    assert item.AlgorithmVersion == "0.2.0"
    assert SEGMENTER.digest in str(item.AlgorithmParameters)
    assert item.AlgorithmFamilyCodeSequence[0].CodeMeaning == "Artificial Intelligence"


def test_every_file_names_the_same_implementation(tmp_path: Path) -> None:
    metas = [file_meta(header(SOPClassUID="1.2.840.10008.5.1.4.1.1.2", SOPInstanceUID=f"2.25.{n}")) for n in (1, 2)]
    assert metas[0].ImplementationClassUID == metas[1].ImplementationClassUID
    assert UID(metas[0].ImplementationClassUID).is_valid
    assert len(metas[0].ImplementationVersionName) <= 16
