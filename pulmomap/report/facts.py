"""The report's words and numbers: what the tables say. Nothing here names the patient, a place or a date."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from highdicom import Volume

from pulmomap import __version__
from pulmomap.case import Measurements, ModelIdentity, NoduleMeasurement, Vessel, VesselNeighbourhood
from pulmomap.metrics.perinodular import CONNECTIVITY
from pulmomap.report.drawing import LUNG, MEDIASTINAL

Row = tuple[str, str]

_HEADER_FACTS = (
    ("Slice thickness", "SliceThickness", "{:g} mm"),
    ("Tube voltage", "KVP", "{:g} kV"),
    ("Kernel", "ConvolutionKernel", "{}"),
    ("Scanner", "ManufacturerModelName", "{}"),
)

_SIDES = {"L": "left", "R": "right", "P": "posterior", "A": "anterior", "H": "head", "F": "feet"}


@dataclass(frozen=True)
class VesselRow:
    """One line of the measurement table, ready to print."""

    kind: str
    title: str
    volume: str
    fragments: str
    frag_index: str
    distance: str
    offset: str


@dataclass(frozen=True)
class NoduleRow:
    """One nodule of the measurement table, ready to print."""

    label: str
    centre: str
    diameter: str
    source: str
    region: str
    vessels: tuple[VesselRow, ...]


def nodule_rows(measurements: Measurements) -> tuple[NoduleRow, ...]:
    """The measurement table."""
    return tuple(_nodule_row(entry) for entry in measurements.nodules)


def case_rows(measurements: Measurements) -> tuple[Row, ...]:
    """Facts about the series and the vessel map."""
    volume = measurements.ncct.volume
    rows = [
        ("Job", measurements.ncct.series.key),
        ("Slices", str(volume.spatial_shape[0])),
        ("Matrix", f"{volume.spatial_shape[1]} x {volume.spatial_shape[2]}"),
        ("Spacing", f"{' x '.join(f'{value:.3g}' for value in volume.spacing)} mm (slice, row, column)"),
        ("Axes point to", _orientation(volume)),
    ]
    instances = measurements.ncct.series.instances
    for title, keyword, form in _HEADER_FACTS if instances else ():
        value = _header_value(instances[0].header.get(keyword))
        if value is not None:
            rows.append((title, form.format(value)))
    return (
        *rows,
        *((f"{vessel.title}, whole map", f"{_millilitres(measurements, vessel):.1f} ml") for vessel in Vessel),
        ("Nodules", str(len(measurements.nodules)) if measurements.nodules else "none given or found"),
    )


def remarks(measurements: Measurements) -> tuple[str, ...]:
    """What a person must know: the flags' sentences, then the notes."""
    return (*(_sentence(flag.value) for flag in measurements.ncct.flags), *map(_sentence, measurements.ncct.notes))


def training_sentences(measurements: Measurements) -> tuple[Row, ...]:
    """What each network was trained on, once for each different sentence."""
    sentences: dict[str, list[str]] = {}
    for role, model in _models(measurements):
        sentences.setdefault(_sentence(model.trained_on), []).append(role)
    return tuple((" and ".join(roles), sentence) for sentence, roles in sentences.items())


def provenance_rows(measurements: Measurements) -> tuple[Row, ...]:
    """Who made what, with which settings."""
    models = [
        (role.capitalize(), f"{model.name} {model.version}, weights SHA-256 {model.digest}")
        for role, model in _models(measurements)
    ]
    regions = sorted({entry.roi_diameter for entry in measurements.nodules})
    return (
        ("Software", f"PulmoMAP {__version__}"),
        *models,
        *(("Region of interest", f"sphere of {region:g} mm diameter around the nodule's centre") for region in regions),
        ("Fragments", f"connected components, {CONNECTIVITY}-neighbourhood, counted after cutting"),
        ("Display windows", f"{MEDIASTINAL.title}, {LUNG.title}"),
        ("Coordinates", "patient frame (LPS: +x left, +y posterior, +z head), millimetres"),
    )


def _models(measurements: Measurements) -> tuple[tuple[str, ModelIdentity], ...]:
    return ("contrast synthesis", measurements.syn.model), ("vessel segmentation", measurements.vessels.model)


def _nodule_row(entry: NoduleMeasurement) -> NoduleRow:
    nodule = entry.nodule
    return NoduleRow(
        label=nodule.label,
        centre=", ".join(_signed(value) for value in nodule.centre),
        diameter=f"{nodule.diameter:.1f} mm" if nodule.diameter else "not known",
        source=nodule.source,
        region=f"{entry.roi_diameter:g} mm",
        vessels=tuple(_vessel_row(vessel, nodule.centre) for vessel in (entry.artery, entry.vein)),
    )


def _vessel_row(measured: VesselNeighbourhood, centre: tuple[float, float, float]) -> VesselRow:
    return VesselRow(
        kind=measured.vessel.name.lower(),
        title=measured.vessel.title,
        volume=f"{measured.volume:,.0f}".replace(",", "\u202f"),
        fragments=str(measured.fragments),
        frag_index="\u2013" if measured.frag_index is None else f"{measured.frag_index:.2f}",
        distance="not in the map" if measured.distance is None else f"{measured.distance:.1f}",
        offset="" if measured.nearest is None else _offset(np.subtract(measured.nearest, centre).tolist()),
    )


def _offset(offset: list[float]) -> str:
    """Where a point lies from another, in the patient's letters: "4.1 R, 0.2 A, 12.0 H"; nothing for zeros."""
    sides = [(abs(value), pair[value < 0]) for value, pair in zip(offset, ("LR", "PA", "HF"), strict=True)]
    return ", ".join(f"{size:.1f} {side}" for size, side in sides if size >= 0.05)


def _millilitres(measurements: Measurements, vessel: Vessel) -> float:
    labels = measurements.vessels.labels
    return float(np.count_nonzero(labels.array == vessel) * labels.voxel_volume / 1000)


def _orientation(volume: Volume) -> str:
    """Directions of the stored axes, with how far they lean from the patient's own."""
    sides = ", ".join(_SIDES[code.value] for code in volume.get_closest_patient_orientation())
    lean = np.degrees(np.arccos(np.clip(np.abs(volume.direction).max(axis=0).min(), -1, 1)))
    return f"{sides} (slice, row, column)" + (f", oblique by {lean:.1f} degrees" if lean > 0.05 else "")


def _header_value(value: object) -> object:
    """A header's value fit for a table: multi-valued text joined, numbers as numbers, None where it is empty."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return float(value)
    return ", ".join(map(str, value)) if hasattr(value, "__iter__") else str(value)


def _signed(value: float) -> str:
    return f"{value:.1f}".replace("-", "\u2212")


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
