"""The example picture of a case: the scan, the synthetic and the true contrast scan, and the vessels found in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from highdicom import Volume
from PIL import Image

from pulmomap.case import Ncct, Vessel
from pulmomap.report.drawing import MEDIASTINAL, Canvas
from pulmomap.report.figures import AIR_HU, as_webp
from pulmomap.report.palette import NODULE, REGION, VESSELS
from pulmomap.report.planes import Plane, Vector, View, sample, sample_label
from training.evaluation.rows import CECT, CECT_VESSELS, NCCT, NCCT_VESSELS, SYN, SYN_VESSELS

SIDE = 360
"""Pixels of one picture."""
WIDE_MM, CLOSE_MM = 220.0, 100.0
"""Sides of the picture without a nodule, and around one."""
STEP_MM = 0.6
GAP = 6


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


def picture(maps: Maps, roi_diameter: float) -> bytes:
    """Two rows of axial pictures at the first nodule, or through most of the vessels, as WebP.

    Above: NCCT, Syn-CECT, CECT, mediastinal window, and the reference map. Below: the vessels found with each of the
    three as second channel.
    """
    nodules = maps.ncct.nodules
    centre = nodules[0].centre if nodules else middle(maps.reference)
    side = max(CLOSE_MM, 1.6 * roi_diameter) if nodules else WIDE_MM
    plane = Plane(View.AXIAL, centre, side, side, STEP_MM)
    images = {NCCT: maps.ncct.volume, SYN: maps.syn, CECT: maps.cect}
    greys = {name: MEDIASTINAL.apply(sample(volume, plane, AIR_HU)) for name, volume in images.items()}
    above = [*greys.items(), ("reference", greys[CECT])]
    under = [(row, greys[image]) for row, image in ((NCCT_VESSELS, NCCT), (SYN_VESSELS, SYN), (CECT_VESSELS, CECT))]
    sheet = Image.new("RGB", (4 * SIDE + 3 * GAP, 2 * SIDE + GAP), (255, 255, 255))
    for number, (name, grey) in enumerate(above + under):
        canvas = Canvas(plane, grey, SIDE)
        labels = maps.reference if name == "reference" else maps.found.get(name)
        if labels is not None:
            for vessel in Vessel:
                canvas.overlay(sample_label(labels, vessel, plane), VESSELS[vessel])
        for nodule in nodules[:1]:
            canvas.ring(nodule.centre, roi_diameter, REGION, dashed=True)
            if nodule.diameter:
                canvas.ring(nodule.centre, nodule.diameter, NODULE)
            else:
                canvas.crosshair(nodule.centre, NODULE)
        canvas.heading(name)
        canvas.letters()
        canvas.scale_bar(20)
        row, column = divmod(number, 4)
        sheet.paste(canvas.finish(), (column * (SIDE + GAP), row * (SIDE + GAP)))
    return as_webp(sheet)


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
