"""SrWriter: the measurements as a DICOM SR (TID 1500) that points at the SEG."""

from __future__ import annotations

from highdicom.seg import Segmentation
from monai.deploy.core import Fragment

from operators.record import RunRecord
from operators.stage import Stage
from pulmomap.case import Measurements
from pulmomap.dicom.sr import measurement_report
from pulmomap.staging import Staging


class SrWriter(Stage):
    """Writes ``measurements.sr.dcm``."""

    title = "sr"

    def __init__(self, fragment: Fragment, *, record: RunRecord, staging: Staging) -> None:
        self._staging = staging
        super().__init__(fragment, record=record)

    def work(self, content: tuple[Measurements, Segmentation | None]) -> bool:
        measurements, segmentation = content
        path = self._staging.folder(measurements.ncct.series.key) / "measurements.sr.dcm"
        measurement_report(measurements, segmentation).save_as(path, enforce_file_format=True)
        return True
