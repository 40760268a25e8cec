"""The example picture of a case: the scan, the synthetic and the true contrast scan, and the vessels found in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from highdicom import Volume
from PIL import Image

from pulmomap.case import Ncct, Nodule, Vessel
from pulmomap.report.drawing import MEDIASTINAL, Canvas, Window
from pulmomap.report.figures import AIR_HU, as_webp
from pulmomap.report.palette import NODULE, REGION, VESSELS, WARNING
from pulmomap.report.planes import FloatArray, Plane, Vector, View, sample, sample_label
from training.evaluation.rows import CECT, CECT_VESSELS, NCCT, NCCT_VESSELS, SYN, SYN_VESSELS

SIDE = 360
"""Pixels of one picture."""
WIDE_MM, CLOSE_MM = 220.0, 100.0
"""Sides of the picture without a nodule, and around one."""
STEP_MM = 0.6
GAP = 6
ERROR = Window("error", 0, 600)


@dataclass(frozen=True)
class Maps:
    """The volumes of a picture, on one grid.

    Attributes:
        ncct: the scan.
        syn, cect: HU.
        found: vessel maps by row.
        reference: the vessel map they are measured against.
    """

    ncct: Ncct
    syn: Volume
    cect: Volume
    found: Mapping[str, Volume]
    reference: Volume


@dataclass(frozen=True)
class _Cell:
    """One picture: heading, grey values 0 to 255, the vessels drawn on it, and whether it shows a synthetic image."""

    heading: str
    grey: FloatArray
    labels: Volume | None = None
    synthetic: bool = False


def picture(maps: Maps, roi_diameter: float) -> bytes:
    """Two rows of axial pictures at the first nodule, or through most of the vessels, as WebP.

    Above: NCCT, Syn-CECT, CECT, mediastinal window, and Syn-CECT - CECT. Below: the vessels found with each of the
    three as second channel, and the reference map.
    """
    nodules = maps.ncct.nodules
    centre = nodules[0].centre if nodules else middle(maps.reference)
    side = max(CLOSE_MM, 1.6 * roi_diameter) if nodules else WIDE_MM
    plane = Plane(View.AXIAL, centre, side, side, STEP_MM)
    ncct, syn, cect = (sample(volume, plane, AIR_HU) for volume in (maps.ncct.volume, maps.syn, maps.cect))
    scan, synthetic, contrast = (MEDIASTINAL.apply(hu) for hu in (ncct, syn, cect))
    cells = [
        _Cell(NCCT, scan),
        _Cell(SYN, synthetic, synthetic=True),
        _Cell(CECT, contrast),
        _Cell(f"{SYN} minus {CECT}", ERROR.apply(syn - cect)),
        _Cell(NCCT_VESSELS, scan, maps.found[NCCT_VESSELS]),
        _Cell(SYN_VESSELS, synthetic, maps.found[SYN_VESSELS], synthetic=True),
        _Cell(CECT_VESSELS, contrast, maps.found[CECT_VESSELS]),
        _Cell("reference", contrast, maps.reference),
    ]
    sheet = Image.new("RGB", (4 * SIDE + 3 * GAP, 2 * SIDE + GAP), (255, 255, 255))
    for number, cell in enumerate(cells):
        row, column = divmod(number, 4)
        drawn = _draw(cell, plane, nodules[0] if nodules else None, roi_diameter)
        sheet.paste(drawn, (column * (SIDE + GAP), row * (SIDE + GAP)))
    return as_webp(sheet)


def _draw(cell: _Cell, plane: Plane, nodule: Nodule | None, roi_diameter: float) -> Image.Image:
    canvas = Canvas(plane, cell.grey, SIDE)
    if cell.labels is not None:
        for vessel in Vessel:
            canvas.overlay(sample_label(cell.labels, vessel, plane), VESSELS[vessel])
    if nodule is not None:
        canvas.ring(nodule.centre, roi_diameter, REGION, dashed=True)
        mark(canvas, nodule)
    canvas.heading(cell.heading)
    canvas.letters()
    canvas.scale_bar(20)
    if cell.synthetic:
        canvas.warning("SYNTHETIC", WARNING)
    return canvas.finish()


def mark(canvas: Canvas, nodule: Nodule) -> None:
    """A ring of the nodule's size, or a crosshair where that is unknown."""
    if nodule.diameter:
        canvas.ring(nodule.centre, nodule.diameter, NODULE)
    else:
        canvas.crosshair(nodule.centre, NODULE)


def middle(labels: Volume) -> Vector:
    """The centre of the slice with most vessel, LPS mm; of the volume where there is none."""
    counts = np.count_nonzero(labels.array, axis=(1, 2))
    points = np.argwhere(np.asarray(labels.array)[int(counts.argmax())])
    if len(points):
        index = np.array([float(counts.argmax()), *points.mean(axis=0)])
    else:
        index = (np.asarray(labels.spatial_shape) - 1) / 2
    x, y, z = (labels.affine @ [*index, 1.0])[:3].tolist()
    return x, y, z
