"""The table of refusals and flags in the docs names exactly what the code names."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path

import pytest

from pulmomap.refusals import Flag, Refusal, Refused

TABLE = (Path(__file__).resolve().parents[1] / "docs" / "refusals.md").read_text(encoding="utf-8")


def rows(section: str) -> dict[str, list[str]]:
    body = TABLE.split(f"## {section}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", body, re.MULTILINE)
    return {name: [meaning, action] for name, meaning, action in found}


@pytest.mark.parametrize(("section", "names"), [("Refusals", Refusal), ("Flags", Flag)])
def test_the_table_and_the_names_are_the_same(section: str, names: type[Enum]) -> None:
    table = rows(section)
    assert list(table) == [one.name for one in names]
    assert all(cell.endswith(".") for cells in table.values() for cell in cells)


@pytest.mark.parametrize("names", [Refusal, Flag])
def test_every_name_says_something_of_its_own(names: type[Enum]) -> None:
    assert len({one.value for one in names}) == len(names)


def test_a_refusal_prints_its_name_and_facts() -> None:
    refused = Refused(Refusal.MISSING_SLICES, "2 slices are missing at z = 1.0 mm, z = 2.0 mm")
    assert str(refused) == "MISSING_SLICES: 2 slices are missing at z = 1.0 mm, z = 2.0 mm"
    assert (refused.code, refused.detail) == (Refusal.MISSING_SLICES, "2 slices are missing at z = 1.0 mm, z = 2.0 mm")
