"""The page of a reader study: blind, complete, shuffled, and the same for the same seed."""

from __future__ import annotations

import base64
import io
import json
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.training.made_reader_study import ARMS, CASES, image_sets, picture
from training.reader_study import ImageSet, Prepared, StudyError, prepare


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[ImageSet]:
    return image_sets(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def study(sets: list[ImageSet], tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(sets, tmp_path_factory.mktemp("study"), seed=20)


def content(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found
    parsed: dict[str, Any] = json.loads(found[1])
    return parsed


def key_of(study: Prepared) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(study.key.read_text())
    return parsed


def test_page_names_no_arm_case_or_file(study: Prepared, sets: list[ImageSet]) -> None:
    text = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", study.page.read_text())
    for secret in (*ARMS, *CASES, "Meyer", "CECT", *(path.name for item in sets for path in item.images), "seed"):
        assert secret.lower() not in text.lower(), secret


def test_key_is_not_in_the_folder_of_the_page(study: Prepared) -> None:
    assert [path.name for path in study.page.parent.rglob("*")] == ["reader_study.html"]
    assert not study.key.is_relative_to(study.page.parent)


def test_pictures_are_their_pixels_and_nothing_else(study: Prepared, sets: list[ImageSet]) -> None:
    shown, key = content(study.page), key_of(study)
    by_name = {(item.case, item.arm): item for item in sets}
    for part in ("separability", "origin"):
        assert list(shown[part]) == list(key[part])
        for name, place in shown[part].items():
            item = by_name[key[part][name]["case"], key[part][name]["arm"]]
            assert key[part][name]["synthetic"] == item.synthetic
            for path, source in zip(item.images, shown["sets"][place], strict=True):
                raw = base64.b64decode(source.removeprefix("data:image/png;base64,"))
                chunks = re.findall(rb"IHDR|PLTE|IDAT|IEND|tEXt|zTXt|iTXt|eXIf|tIME", raw)
                assert set(chunks) == {b"IHDR", b"IDAT", b"IEND"}
                assert (np.asarray(Image.open(io.BytesIO(raw))) == np.asarray(Image.open(path))).all()


def test_every_set_is_asked_for_once(study: Prepared) -> None:
    key = key_of(study)
    for part, arms in (("separability", set(ARMS)), ("origin", {"Syn-CECT", "CECT"})):
        asked = Counter((shown["case"], shown["arm"]) for shown in key[part].values())
        assert set(asked) == {(case, arm) for case in CASES for arm in arms}
        assert set(asked.values()) == {1}


def test_page_asks_for_nothing_from_elsewhere(study: Prepared) -> None:
    text = study.page.read_text()
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|url\(|@import|<link|<iframe", text)


@pytest.mark.parametrize("seed", range(25))
def test_order_is_balanced_and_no_case_comes_twice_in_a_row(sets: list[ImageSet], tmp_path: Path, seed: int) -> None:
    key = key_of(prepare(sets, tmp_path, seed))
    for part, rounds in (("separability", 3), ("origin", 2)):
        cases = [shown["case"] for shown in key[part].values()]
        assert all(one != other for one, other in pairwise(cases))
        for number in range(rounds):
            assert sorted(cases[4 * number : 4 * number + 4]) == list(CASES)


def test_arms_are_spread_over_the_places(sets: list[ImageSet], tmp_path: Path) -> None:
    """Over 60 seeds each arm comes first about as often: 20 times, give or take three standard deviations of 3.7."""
    first: Counter[str] = Counter()
    for seed in range(60):
        key = key_of(prepare(sets, tmp_path / str(seed), seed))
        first[next(iter(key["separability"].values()))["arm"]] += 1
    assert set(first) == set(ARMS)
    assert all(9 <= count <= 31 for count in first.values())


def test_same_seed_same_page(sets: list[ImageSet], study: Prepared, tmp_path: Path) -> None:
    again, other = prepare(sets, tmp_path / "a", seed=20), prepare(sets, tmp_path / "b", seed=21)
    assert again.page.read_bytes() == study.page.read_bytes()
    assert again.key.read_bytes() == study.key.read_bytes()
    assert key_of(other)["study"] != key_of(study)["study"]


def test_study_without_the_second_part(sets: list[ImageSet], tmp_path: Path) -> None:
    study = prepare([replace(item, synthetic=None) for item in sets], tmp_path, seed=1)
    assert content(study.page)["origin"] == key_of(study)["origin"] == {}


def test_a_key_is_never_overwritten(sets: list[ImageSet], tmp_path: Path) -> None:
    prepare(sets, tmp_path, seed=1)
    with pytest.raises(StudyError, match="holds a study already"):
        prepare(sets, tmp_path, seed=2)


def test_wrong_sets_are_named(sets: list[ImageSet], tmp_path: Path) -> None:
    def refused(given: list[ImageSet], words: str) -> None:
        with pytest.raises(StudyError, match=words):
            prepare(given, tmp_path / "out", seed=1)
        assert not (tmp_path / "out").exists()

    refused([*sets, sets[0]], "case Meyer-01 has NCCT twice")
    refused(sets[:-1], "case Meyer-04 has no CECT")
    refused([item for item in sets if item.arm != "NCCT"], "4 cases in 2 arms")
    refused(sets[:3], "1 cases in 3 arms")
    refused([], "0 cases")
    refused([*sets[:-1], replace(sets[-1], images=sets[-1].images[:1])], r"case Meyer-04: pictures of NCCT .* of CECT")
    larger = picture(tmp_path / "larger.png", 1, size=(13, 10))
    refused([*sets[:-1], replace(sets[-1], images=(sets[-1].images[0], larger))], r"\(13, 10\)\]; make them equal")
    refused([replace(item, images=()) for item in sets], "no pictures in NCCT")
    refused([replace(sets[1], synthetic=None), sets[0], *sets[2:]], "Syn-CECT: marked synthetic in some cases")
    refused([replace(item, synthetic=item.synthetic or None) for item in sets], "needs a real and a synthetic arm")


def test_only_eight_bit_png_is_shown(sets: list[ImageSet], tmp_path: Path) -> None:
    deep, text, jpeg = tmp_path / "deep.png", tmp_path / "text.png", tmp_path / "jpeg.png"
    Image.fromarray(np.zeros((10, 12), np.uint16)).save(deep)
    text.write_text("not a picture")
    Image.fromarray(np.zeros((10, 12), np.uint8)).save(jpeg, "JPEG")
    for path in (deep, text, jpeg):
        with pytest.raises(StudyError, match=f"{path.name}: not a PNG picture of 8 bits"):
            prepare([replace(sets[0], images=(path, path)), *sets[1:]], tmp_path / "out", seed=1)
    with pytest.raises(FileNotFoundError):
        prepare([replace(sets[0], images=(tmp_path / "none.png",) * 2), *sets[1:]], tmp_path / "out", seed=1)
