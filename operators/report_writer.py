"""ReportWriter: the page a surgeon looks at, and the surfaces it is made of."""

from __future__ import annotations

from monai.deploy.core import Fragment

from operators.record import RunRecord
from operators.stage import Stage
from pulmomap.case import Measurements
from pulmomap.report.html import render_report
from pulmomap.report.surfaces import as_glb, as_stl, vessel_surfaces
from pulmomap.staging import Staging


class ReportWriter(Stage):
    """Writes ``report.html``, ``surfaces.glb`` and one STL a structure."""

    title = "report"

    def __init__(self, fragment: Fragment, *, record: RunRecord, staging: Staging) -> None:
        self._staging = staging
        super().__init__(fragment, record=record)

    def work(self, content: Measurements) -> bool:
        folder = self._staging.folder(content.ncct.series.key)
        surfaces = vessel_surfaces(content)
        (folder / "report.html").write_text(render_report(content, surfaces), encoding="utf-8")
        (folder / "surfaces.glb").write_bytes(as_glb(surfaces))
        for name, stl in as_stl(surfaces).items():
            (folder / f"{name}.stl").write_bytes(stl)
        return True
