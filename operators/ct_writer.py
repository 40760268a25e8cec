"""CtWriter: the Syn-CECT as a DICOM CT series."""

from __future__ import annotations

from monai.deploy.core import Fragment

from operators.record import RunRecord
from operators.stage import Stage
from pulmomap.case import Measurements
from pulmomap.dicom.ct import synthetic_ct
from pulmomap.staging import Staging


class CtWriter(Stage):
    """Writes ``syn-cect/0001.dcm`` and so on, in slice order."""

    title = "ct"

    def __init__(self, fragment: Fragment, *, record: RunRecord, staging: Staging) -> None:
        self._staging = staging
        super().__init__(fragment, record=record)

    def work(self, content: Measurements) -> bool:
        folder = self._staging.folder(content.ncct.series.key) / "syn-cect"
        folder.mkdir()
        for number, slice_ in enumerate(synthetic_ct(content.syn), start=1):
            slice_.save_as(folder / f"{number:04d}.dcm", enforce_file_format=True)
        return True
