"""Eligibility from Orthanc's tags is what the app decides from the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dicom_factory import ct_series
from hypothesis import given
from hypothesis import strategies as st
from made_series import made_series
from orthanc_server import OrthancServer
from pydicom import Dataset
from pydicom.uid import EnhancedCTImageStorage

from gateway.eligibility import Ineligible, judge
from gateway.headers import TagsUnreadable, parse_instances_tags
from gateway.orthanc import Orthanc
from gateway.sections import LimitSettings, OrthancSettings
from gateway.spool import find_series, key_of
from pulmomap.dicom.index import index_folder
from pulmomap.dicom.rules import SelectionRules
from pulmomap.dicom.selection import select

RULES = SelectionRules(min_slices=5)
KINDS: dict[str, dict[str, Any]] = {
    "eligible": {},
    "contrast": {"ContrastBolusAgent": "Iomeprol"},
    "localizer": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
    "derived": {"ImageType": ["DERIVED", "SECONDARY", "MPR"]},
    "own": {"Manufacturer": "PulmoMAP"},
    "synthetic": {"SyntheticData": "YES"},
    "no rescale slope": {"RescaleSlope": None},
    "coronal": {"orientation": (1, 0, 0, 0, 0, -1)},
    "few": {"slices": 3},
    "thick": {"spacing": (8.0, 0.7, 0.7)},
    "head": {"BodyPartExamined": "HEAD"},
    "non-ASCII": {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Jürgen"},
    "not HU": {"RescaleType": "Z_EFF"},
    "photometric": {"PhotometricInterpretation": "MONOCHROME1"},
    "enhanced without groups": {"SOPClassUID": EnhancedCTImageStorage, "NumberOfFrames": 6},
    "MR": {"Modality": "MR"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_verdict_from_tags_is_the_verdict_from_files(orthanc: OrthancServer, tmp_path: Path, kind: str) -> None:
    files = made_series(tmp_path / "ct", **KINDS[kind])
    client = Orthanc(OrthancSettings(url=orthanc.url))
    series = find_series(client, orthanc.post(files))
    assert series is not None
    selection = select(index_folder(tmp_path / "ct"), RULES)
    verdict = judge(client, series, LimitSettings(), RULES)
    if selection.selected:
        assert verdict is None
        assert key_of(client, series) == selection.selected[0].key
    else:
        assert verdict is not None
        assert verdict.code == selection.rejected[0].code.name
    client.close()


def test_missing_slice_is_seen_from_tags(orthanc: OrthancServer, tmp_path: Path) -> None:
    files = ct_series(tmp_path / "ct", shape=(12, 8, 10))
    client = Orthanc(OrthancSettings(url=orthanc.url))
    series = find_series(client, orthanc.post([*files[:5], *files[6:]]))
    assert series is not None
    verdict = judge(client, series, LimitSettings(), RULES)
    assert isinstance(verdict, Ineligible)
    assert verdict.code == "MISSING_SLICES"
    client.close()


ODD: tuple[Any, ...] = (
    None,
    "",
    "1",
    "a\\b",
    "9" * 400,
    3,
    [],
    [{}],
    [None],
    [{"x": 1}],
    [{"0008,0060": {"Type": "String"}}],
    {"a": 1},
)
entries = st.dictionaries(
    st.sampled_from(["Type", "Value", "Name"]), st.sampled_from(["String", "Sequence", "Null", "TooLong", *ODD])
)


@given(
    st.dictionaries(st.sampled_from(["0028,0010", "0008,0060", "0009,0001", "zz", "5200,9229", "0020,0032"]), entries)
)
def test_any_answer_is_read_or_refused(tags: dict[str, Any]) -> None:
    """Whatever a hostile object makes Orthanc say, the parser answers with data sets or its own error."""
    try:
        headers = parse_instances_tags(json.dumps({"instance": tags}).encode())
    except TagsUnreadable:
        return
    assert isinstance(headers["instance"], Dataset)


@pytest.mark.parametrize("answer", [b"", b"[1]", b"null", b'{"a": 1}', b"[" * 100_000, b"\xff\xfe", b'{"a": {"b": 3}}'])
def test_answer_that_is_none_is_refused(answer: bytes) -> None:
    with pytest.raises(TagsUnreadable):
        parse_instances_tags(answer)


def test_nested_sequences_and_numbers_arrive_as_pydicom_has_them() -> None:
    item = {"0018,9345": {"Name": "CTDIvol", "Type": "String", "Value": "1.5"}}
    tags = {
        "0028,0010": {"Type": "String", "Value": "512"},
        "0020,0032": {"Type": "String", "Value": "-1.5\\2\\3"},
        "0028,0011": {"Type": "String", "Value": "many"},
        "5200,9229": {"Type": "Sequence", "Value": [item]},
        "0010,0010": {"Type": "TooLong", "Value": None},
    }
    header = parse_instances_tags(json.dumps({"x": tags}).encode())["x"]
    assert header.Rows == 512
    assert list(header.ImagePositionPatient) == [-1.5, 2, 3]
    assert "Columns" not in header
    assert header.SharedFunctionalGroupsSequence[0].CTDIvol == 1.5
    assert "PatientName" not in header
