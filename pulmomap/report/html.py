"""The report as one self-contained HTML page: no network, no patient identifiers, the same bytes for the same input."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from PIL import Image

from pulmomap.case import Measurements, Vessel
from pulmomap.report import facts
from pulmomap.report.figures import SYNTHETIC, as_webp, overview, panels
from pulmomap.report.palette import NODULE, VESSELS, as_hex
from pulmomap.report.surfaces import Surface
from pulmomap.report.viewer import scene

_HERE = Path(__file__).resolve().parent


def render_report(measurements: Measurements, surfaces: Sequence[Surface]) -> str:
    """The page a surgeon looks at.

    Args:
        measurements: the finished case; its volumes lie on one grid.
        surfaces: of :func:`pulmomap.report.surfaces.vessel_surfaces`.

    Returns:
        HTML with style, script, pictures (WebP) and meshes inside. Its content security policy forbids every request.

    Raises:
        ValueError: if the volumes of the case do not lie on one grid.
    """
    return _template().render(
        key=measurements.ncct.series.key,
        synthetic=SYNTHETIC,
        remarks=facts.remarks(measurements),
        training=facts.training_sentences(measurements),
        nodules=facts.nodule_rows(measurements),
        case=facts.case_rows(measurements),
        provenance=facts.provenance_rows(measurements),
        panels=panels(measurements),
        overview=overview(measurements, surfaces),
        scene=scene(measurements, surfaces),
        colours={
            "artery": as_hex(VESSELS[Vessel.ARTERY]),
            "vein": as_hex(VESSELS[Vessel.VEIN]),
            "nodule": as_hex(NODULE),
        },
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["embedded"] = _embedded
    # Our own files, not data: they go in as they are.
    environment.globals["static"] = lambda name: Markup((_HERE / "static" / name).read_text(encoding="utf-8"))  # noqa: S704
    return environment.get_template("report.html.j2")


def _embedded(image: Image.Image) -> str:
    """A picture as a data URI."""
    return "data:image/webp;base64," + base64.b64encode(as_webp(image)).decode("ascii")
