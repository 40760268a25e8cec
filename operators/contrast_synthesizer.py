"""ContrastSynthesizer: NCCT to Syn-CECT."""

from __future__ import annotations

from monai.deploy.core import Fragment

from operators.record import RunRecord
from operators.stage import Stage
from pulmomap.case import Ncct, SynCect
from pulmomap.inference.synthesis import ContrastModel, synthesise


class ContrastSynthesizer(Stage):
    """Runs the generator."""

    title = "synthesis"

    def __init__(self, fragment: Fragment, *, record: RunRecord, model: ContrastModel) -> None:
        self._model = model
        super().__init__(fragment, record=record)

    def work(self, content: Ncct) -> SynCect:
        syn = synthesise(content, self._model)
        self.record.model(content.series.key, self.title, syn.model.name, syn.model.version, syn.model.digest)
        return syn
