"""The messages that pass between the stages of a scan's way through PulmoMAP.

Each message holds the one before it, so that a late stage reaches everything that is known about the case.

Frames and units, everywhere: positions in the patient frame (LPS, mm); intensities in HU; arrays are
(slice, row, column) inside a :class:`highdicom.Volume`, which carries their affine (index -> LPS mm).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from highdicom import Volume
from pydicom import Dataset

from pulmomap.refusals import Flag


class Vessel(IntEnum):
    """Values of the artery/vein label map."""

    ARTERY = 1
    VEIN = 2

    @property
    def title(self) -> str:
        return {Vessel.ARTERY: "Pulmonary artery", Vessel.VEIN: "Pulmonary vein"}[self]


@dataclass(frozen=True)
class Instance:
    """One DICOM file of a series.

    Attributes:
        path: where the file lies.
        header: its data set without pixel data.
    """

    path: Path
    header: Dataset


@dataclass(frozen=True)
class SelectedSeries:
    """A series that the rules let pass.

    Attributes:
        key: 16 hexadecimal digits from the series UID and the set of its SOP instance UIDs: the identity of the job
            and the name of its output folder. Holds no patient identifier.
        study_uid, series_uid: DICOM UIDs.
        frame_of_reference_uid: DICOM UID; that of the first slice where a de-identified series carries several
            (flag MIXED_FRAME_OF_REFERENCE). All results share it.
        instances: the files, ordered along the slice normal (row direction x column direction).
        companions: files of the same study that may describe nodules (SEG, RTSTRUCT, SR).
        flags: what a person must know.
        notes: sentences about what was left out (copies of the same file).
    """

    key: str
    study_uid: str
    series_uid: str
    frame_of_reference_uid: str
    instances: tuple[Instance, ...]
    companions: tuple[Path, ...] = ()
    flags: tuple[Flag, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Nodule:
    """A pulmonary nodule.

    Attributes:
        label: short name on pictures and in the SR ("Nodule 1").
        centre: LPS mm.
        diameter: mm; None when only a point is known.
        source: where it comes from: "settings", "DICOM SEG", "RTSTRUCT", "TID 1500 SR".
        tracking_uid: DICOM UID that follows the nodule through SEG and SR; taken from the source where it has one.
        source_sop: (SOP class UID, SOP instance UID) of the source object, if it was one.
    """

    label: str
    centre: tuple[float, float, float]
    diameter: float | None
    source: str
    tracking_uid: str
    source_sop: tuple[str, str] | None = None


@dataclass(frozen=True)
class Ncct:
    """The non-contrast volume.

    Attributes:
        series: where it comes from.
        volume: float32 HU, (slice, row, column), on the series' own grid.
        lungs: uint8 mask on the same grid: 1 inside either lung (vessels and nodules filled), else 0.
        nodules: known nodules, possibly none.
        flags: all flags so far, those of the series included.
        notes: sentences about what was not trusted and why.
    """

    series: SelectedSeries
    volume: Volume
    lungs: Volume
    nodules: tuple[Nodule, ...] = ()
    flags: tuple[Flag, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelIdentity:
    """Which network made something.

    Attributes:
        name, version: of the bundle.
        digest: SHA-256 of the weights file, hexadecimal.
        trained_on: one sentence for people.
        settings: the settings that decide its result beside the weights, as text; part of the results' UIDs.
    """

    name: str
    version: str
    digest: str
    trained_on: str
    settings: str = ""


@dataclass(frozen=True)
class SynCect:
    """The synthetic contrast-enhanced volume: int16 HU on the grid of ``ncct.volume``."""

    ncct: Ncct
    volume: Volume
    model: ModelIdentity


@dataclass(frozen=True)
class VesselMap:
    """Arteries and veins: uint8 values of :class:`Vessel` (0 background) on the grid of ``syn.ncct.volume``."""

    syn: SynCect
    labels: Volume
    model: ModelIdentity

    @property
    def ncct(self) -> Ncct:
        return self.syn.ncct


@dataclass(frozen=True)
class VesselNeighbourhood:
    """One vessel class around one nodule.

    Attributes:
        vessel: artery or vein.
        volume: mm3 of the vessel inside the region of interest.
        fragments: connected components (26-neighbourhood) inside the region, counted after cutting.
        frag_index: fragments per cm3; None where the vessel is absent from the region.
        distance: mm from the nodule's centre to the nearest vessel voxel centre in the whole map; None if absent.
        nearest: that voxel centre, LPS mm.
    """

    vessel: Vessel
    volume: float
    fragments: int
    frag_index: float | None
    distance: float | None
    nearest: tuple[float, float, float] | None


@dataclass(frozen=True)
class NoduleMeasurement:
    """Measurements in a sphere around one nodule. ``roi_diameter`` in mm."""

    nodule: Nodule
    roi_diameter: float
    artery: VesselNeighbourhood
    vein: VesselNeighbourhood


@dataclass(frozen=True)
class Measurements:
    """The end of the scan's way: everything the writers need."""

    vessels: VesselMap
    nodules: tuple[NoduleMeasurement, ...] = ()

    @property
    def ncct(self) -> Ncct:
        return self.vessels.ncct

    @property
    def syn(self) -> SynCect:
        return self.vessels.syn
