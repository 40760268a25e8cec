"""VesselSegmenter: NCCT and Syn-CECT to arteries and veins."""

from __future__ import annotations

from monai.deploy.core import Fragment

from operators.record import RunRecord
from operators.stage import Stage
from pulmomap.case import SynCect, VesselMap
from pulmomap.inference.segmentation import VesselModel, segment


class VesselSegmenter(Stage):
    """Runs the segmenter."""

    title = "segmentation"

    def __init__(self, fragment: Fragment, *, record: RunRecord, model: VesselModel) -> None:
        self._model = model
        super().__init__(fragment, record=record)

    def work(self, content: SynCect) -> VesselMap:
        vessels = segment(content, self._model)
        key = content.ncct.series.key
        self.record.model(key, self.title, vessels.model.name, vessels.model.version, vessels.model.digest)
        return vessels
