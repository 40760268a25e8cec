"""Patient and study are the source's own, whatever it says."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import DataElement, Dataset, dcmread
from pydicom.config import disable_value_validation
from pydicom.uid import ExplicitVRLittleEndian

from pulmomap.dicom.patient_study import PATIENT_AND_STUDY, allow_text, copy_attributes, copy_patient_and_study


def read_again(dataset: Dataset) -> Dataset:
    """Through bytes, as one application hands a file to the next."""
    dataset.ensure_file_meta()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2.3"
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    return dcmread(buffer)


def source(**attributes: object) -> Dataset:
    made = Dataset()
    made.StudyInstanceUID = "1.2.9"
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def test_what_is_absent_stays_empty() -> None:
    result = Dataset()
    copy_patient_and_study(source(), result)
    assert result.StudyInstanceUID == "1.2.9"
    again = read_again(result)
    for keyword in PATIENT_AND_STUDY:
        assert keyword in again
        assert again[keyword].is_empty
    assert "PatientAge" not in again


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 192", "Ковальчук^Олена"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ],
)
@pytest.mark.parametrize("label", ["Nodule 1", "Rundherd links (größer)"])
def test_names_survive_in_their_characters(character_set: str | list[str], name: str, label: str) -> None:
    original = read_again(source(SpecificCharacterSet=character_set, PatientName=name, PatientID="ID-1"))
    result = Dataset()
    copy_patient_and_study(original, result)
    allow_text(result, label)
    result.SeriesDescription = label
    again = read_again(result)
    assert str(again.PatientName) == name
    assert again.SeriesDescription == label
    if label.isascii():
        assert again.SpecificCharacterSet == original.SpecificCharacterSet


def test_odd_values_are_repeated_as_they_are() -> None:
    with disable_value_validation():
        original = source(PatientSex="unknown", PatientBirthDate="1970", StudyID="longer than sixteen characters")
        result = Dataset()
        copy_patient_and_study(original, result)
        again = read_again(result)
        assert again.PatientSex == "unknown"
        assert again.StudyID == "longer than sixteen characters"


def test_private_attributes_stay_behind() -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "113100", "DCM", "Basic Profile"
    code.private_block(0x0013, "CTP", create=True).add_new(0x10, "LO", "secret")
    original = source(DeidentificationMethodCodeSequence=[code])
    original.private_block(0x0013, "CTP", create=True).add_new(0x10, "LO", "secret")
    result = Dataset()
    copy_patient_and_study(original, result)
    assert "secret" not in str(result)
    assert result.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert "secret" in str(original), "the source must not be changed"


def test_a_wrong_representation_is_put_right() -> None:
    original = source()
    original.add(DataElement("LongitudinalTemporalInformationModified", "SH", "MODIFIED"))
    result = Dataset()
    copy_attributes(original, result, ["LongitudinalTemporalInformationModified"])
    assert result["LongitudinalTemporalInformationModified"].VR == "CS"
