"""A study that went the whole way through the real parts, and OHIF behind nginx in Chromium to look at it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from deploy_site import missing, need_programs
from pydicom import dcmread

from deploy.demo.chain import chain, send
from deploy.demo.pacs import kept_files
from deploy.demo.results import view_address, wait_for_results
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


PATIENCE = 1200  # s; for a machine that has other things to do
PATIENT = {"PatientName": "Hushhush^Mary", "PatientID": "ID-4711-SECRET", "PatientBirthDate": "19610203"}


@dataclass(frozen=True)
class Shown:
    """A site with one study in it that went the whole way: dcmtk, Orthanc, gateway, app, Orthanc, the PACS.

    Attributes:
        site: where everything runs.
        study: the folder that was sent.
        patient: by attribute, what identifies the patient.
        study_uid: its Study Instance UID.
        kept: what the PACS has got back, by modality.
    """

    site: Site
    study: Path
    patient: dict[str, str]
    study_uid: str
    kept: dict[str, list[Path]]

    @property
    def address(self) -> str:
        return view_address(self.site, self.study_uid)

    def the(self, modality: str) -> Path:
        """The only object of a modality that the PACS has."""
        (path,) = self.kept[modality]
        return path


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    try:
        viewer = fetch_viewer()
    except ViewerError as error:
        missing(str(error))
        raise
    need_programs()
    study = draw_study(tmp_path_factory.mktemp("patient") / "drawn", SEED, SPACING)
    for path in study.rglob("*.dcm"):
        dataset = dcmread(path)
        for keyword, value in PATIENT.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path)
    site = Site(tmp_path_factory.mktemp("site"), viewer)
    with chain(site) as gateway:
        send(site, study)
        (job,) = [one for one in wait_for_results(site, PATIENCE, gateway.check) if one.state == "done"]
        kept: dict[str, list[Path]] = {}
        for path in kept_files(site):
            kept.setdefault(dcmread(path, stop_before_pixels=True).Modality, []).append(path)
        yield Shown(site, study, PATIENT, job.study, kept)


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
    page.set_default_timeout(300_000)  # ms; for a machine that has other things to do
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
