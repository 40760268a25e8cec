"""A study with the app's own results, in Orthanc, shown by OHIF behind nginx, in Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from app_runs import AppRun, run_app
from deploy_site import missing, send, started

from deploy.demo.results import view_address
from deploy.demo.site import Site
from deploy.demo.study import draw_study
from deploy.ohif.fetch import ViewerError, fetch_viewer

SEED = 7
SPACING = 3.0  # mm: the drawing, the app and the browser take seconds, and every kind of result is there
CHROMIUM = [
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


@dataclass(frozen=True)
class Shown:
    """A site with one study in it, and what the app wrote."""

    site: Site
    run: AppRun

    @property
    def address(self) -> str:
        return view_address(self.site)


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    try:
        viewer = fetch_viewer()
    except ViewerError as error:
        missing(str(error))
        raise
    with started(tmp_path_factory.mktemp("site"), viewer) as site:
        study = draw_study(tmp_path_factory.mktemp("patient") / "drawn", SEED, SPACING)
        run = run_app(study, tmp_path_factory.mktemp("results"))
        assert run.code == 0, run.stderr
        assert send(site, study).returncode == 0
        for path in sorted(run.results.rglob("*.dcm")):
            answer = httpx.post(f"{site.rest}/instances", content=path.read_bytes(), auth=site.gateway)
            assert answer.status_code == 200, answer.text
        yield Shown(site, run)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("Chromium is not installed (Debian and Ubuntu: the package chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, shown: Shown) -> Iterator[Any]:
    """A signed-in page. Fails the test on an error in the console, a failed request, or one beyond the origin."""
    name, password = shown.site.person
    credentials = {"username": name, "password": password}
    context = chromium.new_context(viewport={"width": 1400, "height": 900}, http_credentials=credentials)
    page = context.new_page()
    page.set_default_timeout(90_000)
    troubles: list[str] = []
    page.on("console", lambda line: troubles.append(line.text[:300]) if line.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(f"script: {error}"[:300]))
    page.on(
        "response", lambda answer: troubles.append(f"{answer.status} {answer.url}") if answer.status > 399 else None
    )
    inside = (shown.site.origin, "data:", "blob:")
    page.on("request", lambda one: None if one.url.startswith(inside) else troubles.append(f"leaves: {one.url}"))
    yield page
    context.close()
    assert troubles == []
