"""SegWriter: arteries and veins as a DICOM SEG."""

from __future__ import annotations

from typing import Literal

from highdicom.seg import Segmentation
from monai.deploy.core import Fragment

from operators.record import RunRecord
from operators.stage import Stage
from pulmomap.case import Measurements
from pulmomap.dicom.seg import vessel_segmentation
from pulmomap.staging import Staging


class SegWriter(Stage):
    """Writes ``vessels.seg.dcm``; none when the map is empty, for a SEG without frames is not valid."""

    title = "seg"

    def __init__(
        self, fragment: Fragment, *, record: RunRecord, staging: Staging, layout: Literal["BINARY", "LABELMAP"]
    ) -> None:
        self._staging = staging
        self._layout: Literal["BINARY", "LABELMAP"] = layout
        super().__init__(fragment, record=record)

    def work(self, content: Measurements) -> tuple[Measurements, Segmentation | None]:
        segmentation = vessel_segmentation(content.vessels, self._layout)
        if segmentation is not None:
            path = self._staging.folder(content.ncct.series.key) / "vessels.seg.dcm"
            segmentation.save_as(path, enforce_file_format=True)
        return content, segmentation
