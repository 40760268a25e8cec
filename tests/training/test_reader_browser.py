"""A reader at work in a real browser: the page is opened from the disk, filled, and its answers scored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser_wait import until
from tests.training.made_reader_study import image_sets
from training.reader_study import Prepared, prepare, score

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("study")
    return prepare(image_sets(folder / "pictures"), folder / "out", seed=5)


@pytest.fixture
def page(chromium: Any, study: Prepared) -> Iterator[Any]:
    """The opened page. Fails the test on any console message, script error or request beyond the file."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
    page.on(
        "request",
        lambda request: None if request.url.startswith(("file:", "data:", "blob:")) else troubles.append(request.url),
    )
    page.goto(study.page.as_uri())
    yield page
    context.close()
    assert troubles == []


def begin(page: Any, reader: str) -> None:
    assert page.locator("#begin").is_disabled()
    page.fill("#reader", reader)
    page.click("#begin")


def item_of(page: Any) -> str:
    return str(page.locator("#progress").inner_text()).split(" ")[0]


def choose(page: Any, value: int | str) -> None:
    assert page.locator("#next").is_disabled()
    page.locator(f"fieldset:not([hidden]) input[value='{value}']").check()
    page.click("#next")


def answer_all(page: Any, key: dict[str, Any]) -> None:
    grades = {"NCCT": 2, "Syn-CECT": 4, "CECT": 5}
    for part, total in (("separability", 12), ("origin", 8)):
        for place in range(1, total + 1):
            assert page.locator("#progress").inner_text().endswith(f"set {place} of {total}")
            shown = key[part][item_of(page)]
            # This reader knows the key, and errs on one case.
            seen = shown["synthetic"] != (shown["case"] == "Meyer-02")
            choose(page, grades[shown["arm"]] if part == "separability" else "synthetic" if seen else "real")


def test_answers_of_the_page_are_scored(page: Any, study: Prepared, tmp_path: Path) -> None:
    begin(page, "R-1")
    answer_all(page, json.loads(study.key.read_text()))
    with page.expect_download() as waiting:
        page.click("#download")
    assert waiting.value.suggested_filename == "answers-R-1.json"
    path = tmp_path / "answers.json"
    waiting.value.save_as(path)
    scores = score(study.key, [path])
    assert scores.readers == ("R-1",)
    assert {arm: summary.median for arm, summary in scores.arms.items()} == {"NCCT": 2, "Syn-CECT": 4, "CECT": 5}
    assert scores.separability.chi2 == pytest.approx(8)
    (row,) = scores.origin
    assert (row.sensitivity, row.specificity, row.accuracy) == (0.75, 0.75, 0.75)


def test_pictures_are_shown_and_only_one_question_at_a_time(page: Any, study: Prepared) -> None:
    begin(page, "A")
    pictures = page.locator("#pictures img")
    assert pictures.count() == 2
    until(page, "[...document.images].every((image) => image.complete && image.naturalWidth === 12)")
    assert page.locator("fieldset:visible").count() == 1
    assert page.locator("#part").inner_text() == "Part 1"
    visible = page.locator("body").inner_text() + "".join(picture.get_attribute("alt") for picture in pictures.all())
    assert not any(word in visible for word in ("CECT", "NCCT", "Meyer"))


def test_going_back_shows_the_answer_and_lets_it_be_changed(page: Any) -> None:
    begin(page, "A")
    choose(page, 2)
    assert page.locator("input:checked").count() == 0
    page.click("#back")
    assert page.locator("input:checked").get_attribute("value") == "2"
    page.check("input[value='5']")
    assert page.locator("#next").is_enabled()
    page.click("#next")
    page.click("#back")
    assert page.locator("input:checked").get_attribute("value") == "5"


def test_a_closed_page_goes_on_where_its_reader_stopped(page: Any) -> None:
    begin(page, "A")
    choose(page, 3)
    choose(page, 4)
    place = page.locator("#progress").inner_text()
    page.reload()
    begin(page, "B")
    assert page.locator("#progress").inner_text().endswith("set 1 of 12")
    assert page.locator("input:checked").count() == 0
    page.reload()
    begin(page, "A")
    assert page.locator("#progress").inner_text() == place
    page.click("#back")
    assert page.locator("input:checked").get_attribute("value") == "4"


def test_back_from_the_first_set_reaches_the_start_and_forth(page: Any) -> None:
    begin(page, "A")
    page.click("#back")
    assert page.locator("#start").is_visible()
    page.click("#begin")
    assert page.locator("#progress").inner_text().endswith("set 1 of 12")


def test_a_name_is_not_a_code(page: Any) -> None:
    page.fill("#reader", "Dr. Meyer")
    assert page.locator("#begin").is_disabled()
    page.fill("#reader", "R2")
    assert page.locator("#begin").is_enabled()
