"""The report in a real browser, opened from the disk: no error, no request, and the 3D view shows and turns."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pulmomap.report.html import render_report
from pulmomap.report.surfaces import vessel_surfaces
from tests.browser_wait import until
from tests.report.made_case import make_case

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must have Chromium: install it (Debian and Ubuntu: the package chromium)")
        pytest.skip("Chromium is not installed (Debian and Ubuntu: the package chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    case = make_case()
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_report(case, vessel_surfaces(case)), encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    """The opened report. Fails the test on any console message, script error or request beyond the file."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
    page.on(
        "request",
        lambda request: None if request.url.startswith(("file:", "data:")) else troubles.append(request.url),
    )
    page.goto(report.as_uri())
    until(page, "document.querySelector('[data-edge=left]').textContent !== ''")
    yield page
    page.close()
    assert troubles == []


def pixels(page: Any) -> npt.NDArray[np.int_]:
    """The 3D canvas alone, after the next drawing, without its focus ring, (rows, columns, RGB)."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.add_style_tag(content=".stage svg, .stage span { visibility: hidden }")
    shot = Image.open(io.BytesIO(page.locator("canvas").screenshot())).convert("RGB")
    return np.asarray(shot).astype(int)[12:-12, 12:-12]


def blue(rgb: npt.NDArray[np.int_]) -> npt.NDArray[np.bool_]:
    return np.asarray(rgb[..., 2] > rgb[..., 0] + 60)


def red(rgb: npt.NDArray[np.int_]) -> npt.NDArray[np.bool_]:
    return np.asarray((rgb[..., 0] > rgb[..., 2] + 60) & (rgb[..., 0] > 2 * rgb[..., 1]))


def edges(page: Any) -> str:
    return "".join(page.locator(f"[data-edge={edge}]").inner_text() for edge in ("left", "right", "top", "bottom"))


def test_vessels_are_shown_on_their_sides(page: Any) -> None:
    """From the front, the artery (right lung) is on the left of the screen, the vein on the right."""
    rgb = pixels(page)
    columns = np.arange(rgb.shape[1])
    assert blue(rgb).sum() > 500
    assert red(rgb).sum() > 500
    middle = rgb.shape[1] / 2
    assert columns[blue(rgb).any(axis=0)].max() < middle < columns[red(rgb).any(axis=0)].min()
    assert not page.locator("#no-viewer").is_visible()


@pytest.mark.parametrize(
    ("view", "letters"),
    [("front", "RLHF"), ("back", "LRHF"), ("left", "APHF"), ("right", "PAHF"), ("head", "RLPA"), ("feet", "RLAP")],
)
def test_letters_follow_the_view(page: Any, view: str, letters: str) -> None:
    page.click(f"button[data-value={view}]")
    pixels(page)
    page.add_style_tag(content=".stage span { visibility: visible !important }")
    assert edges(page) == letters


def test_sides_are_exchanged_from_the_back(page: Any) -> None:
    page.click("button[data-value=back]")
    rgb = pixels(page)
    assert np.argwhere(blue(rgb))[:, 1].min() > rgb.shape[1] / 2 > np.argwhere(red(rgb))[:, 1].max()


def test_artery_lies_behind_the_nodule(page: Any) -> None:
    """Seen from the patient's right, front is on the right of the screen: the artery, behind, is left of the nodule."""
    page.click("button[data-value=right]")
    page.uncheck("[data-structure=pulmonary-vein]")
    rgb = pixels(page)
    yellow = (rgb[..., 0] > rgb[..., 2] + 60) & (rgb[..., 1] > rgb[..., 2] + 30)
    assert np.argwhere(blue(rgb))[:, 1].mean() < np.argwhere(yellow)[:, 1].mean()


def test_dragging_and_keys_turn_the_view(page: Any) -> None:
    before = pixels(page)
    box = page.locator("canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120, y + 30, steps=4)
    page.mouse.up()
    dragged = pixels(page)
    assert (np.abs(before - dragged).max(axis=-1) > 30).sum() > 500
    page.locator("canvas").press("ArrowLeft")
    assert (np.abs(pixels(page) - dragged).max(axis=-1) > 30).sum() > 100
    page.locator("canvas").press("0")
    assert np.abs(pixels(page) - before).max() == 0


def test_structures_are_switched(page: Any) -> None:
    page.uncheck("[data-structure=pulmonary-artery]")
    rgb = pixels(page)
    assert blue(rgb).sum() == 0
    assert red(rgb).sum() > 500


def test_clipping_keeps_only_the_sphere(page: Any) -> None:
    """The vein lies outside the sphere; the artery, 120 mm long, keeps the part inside."""
    whole = blue(pixels(page)).sum()
    page.check("[data-set=clip]")
    rgb = pixels(page)
    assert red(rgb).sum() == 0
    assert 0.2 * whole < blue(rgb).sum() < 0.6 * whole


def test_distances_are_written(page: Any) -> None:
    texts = page.locator(".stage svg text").all_text_contents()
    assert [text.split()[1] for text in texts] == ["artery", "vein"]
    assert all(text.endswith("mm") for text in texts)


def test_vessels_on_pictures_can_be_hidden(page: Any) -> None:
    assert page.locator("img.with").first.is_visible()
    page.uncheck("#show-vessels")
    assert not page.locator("img.with").first.is_visible()
    assert page.locator("img.without").first.is_visible()


def test_page_scrolls_over_the_view_until_it_is_clicked(page: Any) -> None:
    page.locator("canvas").scroll_into_view_if_needed()
    page.locator("canvas").hover()
    before = pixels(page)
    page.mouse.wheel(0, 40)
    until(page, "window.scrollY > 0")
    page.locator("canvas").focus()
    page.locator("canvas").hover()
    page.mouse.wheel(0, -200)
    page.wait_for_timeout(100)
    assert (np.abs(before - pixels(page)).max(axis=-1) > 30).sum() > 500


def test_without_webgl_the_page_says_so(browser: Any, report: Path) -> None:
    page = browser.new_page()
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto(report.as_uri())
    assert page.locator("#no-viewer").is_visible()
    assert not page.locator("#viewer").is_visible()
    page.close()
