"""The page of an evaluation: complete, and in a browser without a request, an error or a cell too many."""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser_wait import until
from tests.training.made_results import made_results, write_results
from training.evaluation.page import write_page
from training.evaluation.results import Results
from training.evaluation.rows import SYN_VESSELS

SETTINGS = {"Cases": "held_out", "Sphere around a nodule": "50 mm"}


def page_of(results: Results, out: Path, failed: dict[str, str] | None = None) -> Path:
    write_results(results, out)
    return write_page(results, out, failed or {}, SETTINGS)


def test_page_names_failures_missing_figures_and_few_cases(tmp_path: Path) -> None:
    cases = deepcopy(made_results(4).cases)
    cases[0]["segmentation"][SYN_VESSELS]["hd95_pa"] = "pred_empty"
    text = page_of(Results(cases), tmp_path, {"case <9>": "its CECT & more"}).read_text()
    assert "case &lt;9&gt;: its CECT &amp; more" in text
    assert "With 4 cases an interval is rough" in text
    assert re.search(rf"<td>{re.escape(SYN_VESSELS)}</td><td>hd95_pa</td><td>pred_empty 1</td>", text)
    assert "With 12 cases" not in page_of(made_results(12), tmp_path / "more").read_text()


def test_examples_are_best_middle_and_worst(tmp_path: Path) -> None:
    results = made_results(9)
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page_of(results, tmp_path).read_text())
    dice = results.column("segmentation", SYN_VESSELS, "dice_pa") + results.column(
        "segmentation", SYN_VESSELS, "dice_pv"
    )
    expected = [results.names[place] for place in np.argsort(dice)[[8, 4, 0]]]
    assert [caption.split(":")[0] for caption in captions] == expected
    assert [caption.split(" ")[1] for caption in captions] == ["best", "middle", "worst"]


def test_one_case_is_one_example_without_a_test(tmp_path: Path) -> None:
    text = page_of(made_results(1), tmp_path).read_text()
    assert text.count("<figure>") == 1
    assert "best and middle and worst of 1" in text


def test_same_results_same_bytes(tmp_path: Path) -> None:
    first, second = (page_of(made_results(5), tmp_path / name) for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.browser
def test_page_in_a_browser(chromium: Any, tmp_path: Path) -> None:
    path = page_of(made_results(12), tmp_path)
    page = chromium.new_page(viewport={"width": 1400, "height": 900})
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda one: None if one.url.startswith(("file:", "data:")) else troubles.append(one.url))
    page.goto(path.as_uri())
    until(page, "[...document.images].every((image) => image.complete && image.naturalWidth === 40)")
    tables = page.locator("section table")
    assert tables.count() == 10
    widths = page.evaluate(
        "[...document.querySelectorAll('section table')].map((table) => new Set([...table.rows].map((row) => "
        "[...row.cells].reduce((sum, cell) => sum + cell.colSpan, 0))).size)"
    )
    assert widths == [1] * 10
    assert page.locator("svg").count() == 20
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
    page.close()
    assert troubles == []
