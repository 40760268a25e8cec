"""Codes mean what the standard says, and what our documentation says of our own."""

from __future__ import annotations

from pathlib import Path

import pytest
from highdicom.sr import CodedConcept
from pydicom.sr._concepts_dict import concepts

from pulmomap.dicom import codes

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "dicom-outputs.md"
ALL = [
    *(one for one in vars(codes).values() if isinstance(one, CodedConcept)),
    *codes.VESSELS.values(),
]
OWN = [one for one in ALL if one.scheme_designator == codes.PRIVATE_SCHEME]
# Not in pydicom's tables, or under another name: TID 1500 row 12, CID 7460 and 7181, PS3.16 section 8 (languages).
ELSEWHERE = {
    ("UCUM", "mm"): "millimeter",
    ("UMLS", "C0034375"): "Qualitative Evaluations",
    ("UCUM", "/cm3"): "per cubic centimeter",
    ("RFC5646", "en-US"): "English (United States)",
}


@pytest.mark.parametrize("code", [one for one in ALL if one not in OWN], ids=lambda one: one.meaning)
def test_standard_codes_have_the_standards_meaning(code: CodedConcept) -> None:
    known = {
        meaning.lower()
        for entry in concepts.get(code.scheme_designator, {}).values()
        for value, (meaning, _) in entry.items()
        if value == code.value
    }
    expected = ELSEWHERE.get((code.scheme_designator, code.value))
    assert code.meaning.lower() in (known if expected is None else {expected.lower()})


@pytest.mark.parametrize("code", OWN, ids=lambda one: one.value)
def test_our_own_codes_are_documented(code: CodedConcept) -> None:
    assert f"| `{code.value}` | {code.meaning} |" in DOCUMENT.read_text(encoding="utf-8")
    assert len(code.value) <= 16  # a short string, PS3.5 6.2
    assert len(code.meaning) <= 64


def test_our_own_codes_are_distinct() -> None:
    assert len({one.value for one in OWN}) == len({one.meaning for one in OWN}) == len(OWN)
