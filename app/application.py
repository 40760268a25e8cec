"""The operator graph on the MONAI Deploy runtime."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from holoscan.schedulers import EventBasedScheduler
from monai.deploy.core import AppContext, Application

from app.settings import Settings
from operators.contrast_synthesizer import ContrastSynthesizer
from operators.ct_writer import CtWriter
from operators.perinodular_analyzer import PerinodularAnalyzer
from operators.publisher import Publisher
from operators.record import RunRecord
from operators.report_writer import ReportWriter
from operators.seg_writer import SegWriter
from operators.series_selector import SeriesSelector
from operators.sr_writer import SrWriter
from operators.vessel_segmenter import VesselSegmenter
from operators.volume_builder import VolumeBuilder
from pulmomap.case import SelectedSeries
from pulmomap.dicom.nodules import GivenNodule
from pulmomap.inference.segmentation import VesselModel
from pulmomap.inference.synthesis import ContrastModel
from pulmomap.staging import Staging

QUIET_MS = 500
"""How long no stage may have anything to do before the run counts as over.

With the scheduler's own 0, a run on a busy machine ended once between two stages: the first one's message was sent, and
nobody had looked whether the second could begin. Every run ends this much later.
"""


@dataclass(frozen=True)
class Models:
    """The networks of a run, loaded once and shared by all series."""

    contrast: ContrastModel
    vessels: VesselModel


class PulmoMapApp(Application):  # type: ignore[misc]
    """Streams the selected series through the way of a scan, one at a time.

    Args:
        context: the SDK's app context: input, output and model folders.
        settings: see ``app.yaml``.
        selected: the series to process.
        nodules: nodules given by settings or on the command line.
        models: the networks.
        record: where every stage says what it did.
        staging: where the results are gathered.
    """

    def __init__(
        self,
        context: AppContext,
        settings: Settings,
        selected: Sequence[SelectedSeries],
        nodules: Sequence[GivenNodule],
        models: Models,
        record: RunRecord,
        staging: Staging,
    ) -> None:
        self.context = context
        self._settings = settings
        self._selected = selected
        self._nodules = nodules
        self._models = models
        self._record = record
        self._staging = staging
        # The SDK would read our own command line a second time and stumble over options it does not know.
        super().__init__([sys.executable, "app"])

    def compose(self) -> None:
        settings, record, staging = self._settings, self._record, self._staging
        way = [
            SeriesSelector(self, selected=self._selected, record=record),
            VolumeBuilder(
                self,
                record=record,
                geometry=settings.selection.geometry,
                content=settings.content,
                nodules=self._nodules,
            ),
            ContrastSynthesizer(self, record=record, model=self._models.contrast),
            VesselSegmenter(self, record=record, model=self._models.vessels),
            PerinodularAnalyzer(self, record=record, settings=settings.perinodular),
        ]
        for before, after in pairwise(way):
            self.add_flow(before, after, {("job", "job")})
        ct = CtWriter(self, record=record, staging=staging)
        seg = SegWriter(self, record=record, staging=staging, layout=settings.outputs.seg_layout)
        sr = SrWriter(self, record=record, staging=staging)
        report = ReportWriter(self, record=record, staging=staging)
        ends = (ct, sr, report)
        publisher = Publisher(self, record=record, staging=staging, writers=tuple(end.title for end in ends))
        for writer in (ct, seg, report):
            self.add_flow(way[-1], writer, {("job", "job")})
        self.add_flow(seg, sr, {("job", "job")})
        for end in ends:
            self.add_flow(end, publisher, {("job", end.title)})
        self.scheduler(
            EventBasedScheduler(
                self,
                worker_thread_number=settings.runtime.workers,
                stop_on_deadlock_timeout=QUIET_MS,
                name="scheduler",
            )
        )
