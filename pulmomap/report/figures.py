"""The pictures of the report: which planes, which windows, what is drawn on them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pulmomap.case import Measurements, Nodule, Vessel
from pulmomap.report.drawing import LUNG, MEDIASTINAL, Canvas
from pulmomap.report.framing import hilum, require_one_grid, wide_plane
from pulmomap.report.palette import NODULE, REGION, VESSELS, WARNING
from pulmomap.report.planes import Plane, Vector, View, sample, sample_label
from pulmomap.report.projection import coronal
from pulmomap.report.surfaces import Surface

AIR_HU = -1000.0
SYNTHETIC = "SYNTHETIC - not for diagnosis"
CLOSE_MM = 110.0
"""Side of a close-up: the 50 mm sphere and as much around it again."""

_CLOSE_STEP_MM = 0.5
_SIDES_PX = (240, 480)


@dataclass(frozen=True)
class Picture:
    """A finished picture.

    Attributes:
        image: RGB.
        title: short caption.
        description: what a person who cannot see it should be told.
        plain: the same picture without the vessel overlay, where there is one.
    """

    image: Image.Image
    title: str
    description: str
    plain: Image.Image | None = None


@dataclass(frozen=True)
class Panel:
    """The pictures around one point: for each view the wide NCCT, the close NCCT and the close Syn-CECT."""

    title: str
    rows: tuple[tuple[Picture, Picture, Picture], ...]


@dataclass(frozen=True)
class _Subject:
    """What the pictures of a panel are taken of: a nodule with its region (mm), or just a place."""

    centre: Vector
    nodule: Nodule | None
    region: float
    side: int

    @property
    def close(self) -> float:
        return max(CLOSE_MM, 1.6 * self.region)


def panels(measurements: Measurements) -> tuple[Panel, ...]:
    """A panel a nodule; without nodules, one through the densest part of the vessel map.

    Raises:
        ValueError: if the volumes of the case do not lie on one grid.
    """
    require_one_grid(measurements)
    entries = measurements.nodules
    # Many nodules get smaller pictures rather than none, so that the report stays a few megabytes.
    side = int(np.clip(_SIDES_PX[1] * (6 / max(1, len(entries))) ** 0.5, *_SIDES_PX))
    if not entries:
        return (_panel(measurements, "Vessels at the hilum", _Subject(hilum(measurements), None, 0.0, side)),)
    return tuple(
        _panel(measurements, entry.nodule.label, _Subject(entry.nodule.centre, entry.nodule, entry.roi_diameter, side))
        for entry in entries
    )


def overview(measurements: Measurements, surfaces: Sequence[Surface]) -> Picture | None:
    """The whole vessel map from the front, with rings around the nodules; None when there is nothing to see."""
    if not surfaces:
        return None
    plane, pixels = coronal(surfaces)
    canvas = Canvas(plane, pixels, 640)
    for nodule in measurements.ncct.nodules:
        _mark(canvas, nodule, 0.0)
    _furnish(canvas, "Vessel map, from the front", 50)
    return Picture(
        canvas.finish(),
        "Vessel map, coronal projection",
        "Pulmonary arteries in blue and pulmonary veins in red, seen from the front; nearer vessels are brighter.",
    )


def as_webp(image: Image.Image) -> bytes:
    """Compressed; the same picture gives the same bytes."""
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=82, method=4)
    return stream.getvalue()


def _panel(measurements: Measurements, title: str, subject: _Subject) -> Panel:
    rows = []
    for view in View:
        close = Plane(view, subject.centre, subject.close, subject.close, _CLOSE_STEP_MM)
        rows.append(
            (
                _wide(measurements, close, subject),
                _ncct(measurements, close, subject),
                _syn(measurements, close, subject),
            )
        )
    return Panel(title, tuple(rows))


def _wide(measurements: Measurements, close: Plane, subject: _Subject) -> Picture:
    plane = wide_plane(measurements, close.view, subject.centre)
    canvas = Canvas(plane, LUNG.apply(sample(measurements.ncct.volume, plane, AIR_HU)), subject.side)
    canvas.frame(close, REGION)
    _mark(canvas, subject.nodule, 0.0)
    _furnish(canvas, f"{plane.view.title}  NCCT", 50)
    where = f"with {subject.nodule.label} marked" if subject.nodule else "through the densest part of the vessel map"
    return Picture(
        canvas.finish(),
        f"{plane.view.title} NCCT, {LUNG.name} window",
        f"{plane.view.title} plane of the non-contrast CT, {where}; the frame shows the close-up beside it.",
    )


def _ncct(measurements: Measurements, plane: Plane, subject: _Subject) -> Picture:
    canvas = Canvas(plane, MEDIASTINAL.apply(sample(measurements.ncct.volume, plane, AIR_HU)), subject.side)
    _mark(canvas, subject.nodule, subject.region)
    _furnish(canvas, f"{plane.view.title}  NCCT", 20)
    return Picture(
        canvas.finish(),
        f"{plane.view.title} NCCT, {MEDIASTINAL.name} window",
        f"{plane.view.title} close-up of the non-contrast CT.",
    )


def _syn(measurements: Measurements, plane: Plane, subject: _Subject) -> Picture:
    grey = MEDIASTINAL.apply(sample(measurements.syn.volume, plane, AIR_HU))

    def draw(with_vessels: bool) -> Image.Image:
        canvas = Canvas(plane, grey, subject.side)
        for vessel in Vessel if with_vessels else ():
            canvas.overlay(sample_label(measurements.vessels.labels, vessel, plane), VESSELS[vessel])
        _mark(canvas, subject.nodule, subject.region)
        _furnish(canvas, f"{plane.view.title}  Syn-CECT" + (" + PA PV" if with_vessels else ""), 20)
        canvas.warning(SYNTHETIC, WARNING)
        return canvas.finish()

    return Picture(
        draw(with_vessels=True),
        f"{plane.view.title} Syn-CECT with PA and PV",
        f"{plane.view.title} close-up of the synthetic contrast-enhanced CT with pulmonary arteries in blue and "
        "pulmonary veins in red. Synthetic, not for diagnosis.",
        plain=draw(with_vessels=False),
    )


def _furnish(canvas: Canvas, heading: str, bar: float) -> None:
    canvas.heading(heading)
    canvas.letters()
    canvas.scale_bar(bar)


def _mark(canvas: Canvas, nodule: Nodule | None, region: float) -> None:
    if nodule is None:
        return
    if region:
        canvas.ring(nodule.centre, region, REGION, dashed=True)
    if nodule.diameter:
        canvas.ring(nodule.centre, nodule.diameter, NODULE)
    else:
        canvas.crosshair(nodule.centre, NODULE)
