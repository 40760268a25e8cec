"""VolumeBuilder: from DICOM files to a checked HU volume with its lungs and nodules."""

from __future__ import annotations

from collections.abc import Sequence

from monai.deploy.core import Fragment

from operators.record import RunRecord
from operators.stage import Stage
from pulmomap.case import Ncct, SelectedSeries
from pulmomap.dicom.nodules import GivenNodule, find_nodules
from pulmomap.dicom.reading import read_volume
from pulmomap.dicom.tolerances import GeometryTolerances
from pulmomap.imaging.content import ContentRules, check_content
from pulmomap.imaging.lungs import lung_mask
from pulmomap.refusals import Flag


class VolumeBuilder(Stage):
    """Reads the pixels and refuses what is no complete non-contrast chest."""

    title = "volume"

    def __init__(
        self,
        fragment: Fragment,
        *,
        record: RunRecord,
        geometry: GeometryTolerances,
        content: ContentRules,
        nodules: Sequence[GivenNodule],
    ) -> None:
        self._geometry = geometry
        self._content = content
        self._nodules = nodules
        super().__init__(fragment, record=record)

    def work(self, content: SelectedSeries) -> Ncct:
        volume = read_volume(content, self._geometry)
        lungs = lung_mask(volume)
        check_content(volume, lungs, self._content)
        found = find_nodules(content, volume.get_geometry(), self._nodules)
        flags: tuple[Flag, ...] = (*content.flags, *found.flags)
        self.record.note(content.key, flags, found.notes)
        return Ncct(content, volume, lungs.mask, found.nodules, flags, found.notes)
