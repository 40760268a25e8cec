"""The report page as text: self-contained, honest, free of identifiers, and the same bytes each time."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from pulmomap.case import Nodule
from pulmomap.report.html import render_report
from pulmomap.report.surfaces import vessel_surfaces
from tests.report.made_case import NODULE, make_case

VOID = {"meta", "img", "input", "br", "link", "hr"}


class Outline(HTMLParser):
    """Collects tags and text, and checks that every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.text += " "
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text += data


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    assert parser.open == []
    parser.text = " ".join(parser.text.split())
    return parser


def scene_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="scene">(.*?)</script>', page, re.S)
    assert found
    scene: dict[str, Any] = json.loads(found[1])
    return scene


@pytest.fixture(scope="module")
def page() -> str:
    case = make_case()
    return render_report(case, vessel_surfaces(case))


def test_page_needs_nothing_from_elsewhere(page: str) -> None:
    for tag, attributes in outline(page).tags:
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        for name in ("src", "href", "srcset", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith("data:image/webp;base64,"), (tag, name)
    assert "default-src 'none'" in page
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_page_names_no_patient(page: str) -> None:
    for secret in ("Secret", "SECRET-ID", "19700102", "secret.dcm", "1.2.3.4", "1.2.3.5", "1.2.3.6"):
        assert secret not in page
    assert "0123456789abcdef" in page


def test_page_says_what_it_is(page: str) -> None:
    text = outline(page).text
    assert "Research use only. Not for diagnosis or treatment." in text
    assert "Training data (contrast synthesis and vessel segmentation): Procedural phantoms only." in text
    assert "Slices thicker than the networks were made for: small vessels will be missed." in text
    assert "contrast_synthesis 1.2.3, weights SHA-256 " + "ab" * 32 in text
    assert "vessel_segmentation 4.5.6, weights SHA-256 " + "cd" * 32 in text
    assert "2 x 1.6 x 1.6 mm (slice, row, column)" in text
    assert "head, posterior, left (slice, row, column)" in text


def test_text_from_the_input_is_escaped(page: str) -> None:
    assert "An &lt;object&gt; was not trusted." in page
    assert "B&lt;40&gt;" in page
    assert "<object>" not in page


def test_numbers_are_those_measured(page: str) -> None:
    (entry,) = make_case().nodules
    text = outline(page).text
    assert entry.artery.frag_index is not None
    assert entry.artery.distance is not None
    expected = f"{entry.artery.volume:,.0f}".replace(",", " ")
    assert f"Pulmonary artery {expected} {entry.artery.fragments} {entry.artery.frag_index:.2f} " in text
    assert f"{entry.artery.distance:.1f} " in text
    # The vein lies in the other lung: nothing in the sphere, still a distance, towards the patient's left.
    assert entry.vein.frag_index is None
    assert entry.vein.distance is not None
    assert re.search(rf"Pulmonary vein 0 0 – {entry.vein.distance:.1f} {entry.vein.distance:.1f} L, 0\.4 P ", text)
    assert "\u221260.0, 90.0, \u2212450.0 mm (LPS)" in text


def test_pictures_have_words(page: str) -> None:
    images = [attributes for tag, attributes in outline(page).tags if tag == "img"]
    assert len(images) == 9 + 3 + 1
    assert all(attributes["alt"] for attributes in images)
    assert all(int(str(attributes["width"])) > 0 for attributes in images)


def test_scene_holds_the_meshes(page: str) -> None:
    surfaces = vessel_surfaces(make_case())
    scene = scene_of(page)
    assert [structure["name"] for structure in scene["structures"]] == [surface.name for surface in surfaces]
    for structure, surface in zip(scene["structures"], surfaces, strict=True):
        vertices = _decoded(structure["vertices"], "<i2").reshape(-1, 3) * scene["step"] + scene["origin"]
        assert vertices == pytest.approx(surface.vertices, abs=scene["step"])
        assert (_decoded(structure["faces"], "<u2").reshape(-1, 3) == surface.faces).all()
    assert scene["step"] < 0.01
    assert scene["nodules"][0]["centre"] == list(NODULE)
    assert [nearest["vessel"] for nearest in scene["nodules"][0]["nearest"]] == ["artery", "vein"]


def _decoded(text: str, kind: str) -> Any:
    return np.frombuffer(base64.b64decode(text), kind)


def test_same_case_same_bytes(page: str) -> None:
    case = make_case()
    assert render_report(case, vessel_surfaces(case)) == page


def test_case_without_nodule() -> None:
    case = make_case(nodules=())
    page = render_report(case, vessel_surfaces(case))
    text = outline(page).text
    assert "Vessels at the hilum" in text
    assert "Nodules none given or found" in text
    assert "How to read these numbers" not in text
    assert scene_of(page)["nodules"] == []


def test_case_without_anything() -> None:
    page = render_report(make_case(nodules=(), empty=True), ())
    assert "3D view" not in outline(page).text
    assert scene_of(page) == {}


def test_many_nodules_stay_below_five_megabytes() -> None:
    nodules = tuple(Nodule(f"Nodule {n}", NODULE, None, "DICOM SEG", f"2.25.{n}") for n in range(1, 11))
    case = make_case(nodules=nodules)
    page = render_report(case, vessel_surfaces(case))
    assert len(page) < 5_000_000
    assert "diameter not known" in outline(page).text
