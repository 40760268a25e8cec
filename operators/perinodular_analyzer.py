"""PerinodularAnalyzer: vessel map to measurements around each nodule."""

from __future__ import annotations

from monai.deploy.core import Fragment

from operators.record import RunRecord
from operators.stage import Stage
from pulmomap.case import Measurements, VesselMap
from pulmomap.metrics.perinodular import PerinodularSettings, measure


class PerinodularAnalyzer(Stage):
    """Measures PA and PV in the sphere around each nodule."""

    title = "measurement"

    def __init__(self, fragment: Fragment, *, record: RunRecord, settings: PerinodularSettings) -> None:
        self._settings = settings
        super().__init__(fragment, record=record)

    def work(self, content: VesselMap) -> Measurements:
        return measure(content, self._settings)
