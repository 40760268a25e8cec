"""A small made-up case for the report's tests: two lungs, an artery on the patient's right, a vein on the left."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from pulmomap.case import (
    Instance,
    Measurements,
    ModelIdentity,
    Ncct,
    Nodule,
    SelectedSeries,
    SynCect,
    Vessel,
    VesselMap,
)
from pulmomap.metrics.perinodular import measure
from pulmomap.refusals import Flag

AFFINE = np.array([[0, 0, 1.6, -120.0], [0, 1.6, 0, 20.0], [2.0, 0, 0, -540.0], [0, 0, 0, 1]])
"""HPL, 2.0 x 1.6 x 1.6 mm: slices to the head, rows to posterior, columns to the left."""

SHAPE = (90, 100, 150)
NODULE = (-60.0, 90.0, -450.0)
ARTERY = (-60.0, 112.0, -450.0)
"""Where a tube along the body axis crosses the nodule's axial plane: behind the nodule, in the right lung."""
VEIN = (60.0, 90.0, -450.0)
"""The same in the left lung."""


def positions() -> npt.NDArray[np.float64]:
    index = np.moveaxis(np.indices(SHAPE), 0, -1)
    grid: npt.NDArray[np.float64] = index @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    return grid


@cache
def _arrays() -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """HU, Syn-CECT HU, lungs and labels, stored towards HPL."""
    points = positions()
    x, y, z = np.moveaxis(points, -1, 0)
    lungs = ((np.abs(np.abs(x) - 60) / 40) ** 2 + ((y - 100) / 60) ** 2 + ((z + 450) / 70) ** 2 < 1).astype(np.uint8)
    labels = np.zeros(SHAPE, dtype=np.uint8)
    for vessel, (px, py, _) in ((Vessel.ARTERY, ARTERY), (Vessel.VEIN, VEIN)):
        labels[(np.hypot(x - px, y - py) < 6) & (np.abs(z + 450) < 60)] = vessel
    hu = np.where(lungs > 0, -850.0, 40.0).astype(np.float32)
    hu[np.linalg.norm(points - NODULE, axis=-1) < 8] = 30
    hu[labels > 0] = 40
    syn = hu.astype(np.int16)
    syn[labels > 0] = 300
    return hu, syn, lungs, labels


def make_case(
    nodules: tuple[Nodule, ...] = (Nodule("Nodule 1", NODULE, 16.0, "settings", "2.25.1"),),
    layout: tuple[str, str, str] = ("H", "P", "L"),
    empty: bool = False,
) -> Measurements:
    """Build the case; ``layout`` stores every volume with other axis order and directions, ``empty`` has no vessel."""

    def stored(array: npt.NDArray[Any]) -> hd.Volume:
        return hd.Volume(array, AFFINE, "PATIENT").to_patient_orientation(layout)

    hu, syn, lungs, labels = _arrays()
    header = Dataset()
    header.PatientName, header.PatientID, header.StudyDate = "Secret^Name", "SECRET-ID", "19700102"
    header.ConvolutionKernel, header.KVP, header.SliceThickness = "B<40>", 120, 2.0
    series = SelectedSeries(
        "0123456789abcdef", "1.2.3.4", "1.2.3.5", "1.2.3.6", (Instance(Path("secret.dcm"), header),)
    )
    ncct = Ncct(series, stored(hu), stored(lungs), nodules, (Flag.THICK_SLICES,), ("an <object> was not trusted",))
    network = ModelIdentity("contrast_synthesis", "1.2.3", "ab" * 32, "procedural phantoms only")
    segmenter = ModelIdentity("vessel_segmentation", "4.5.6", "cd" * 32, "procedural phantoms only")
    chosen = stored(np.zeros_like(labels) if empty else labels)
    return measure(VesselMap(SynCect(ncct, stored(syn), network), chosen, segmenter))
