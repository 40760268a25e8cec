"""Cases for the tests of the writers: a made-up vessel map on a DICOM series of any geometry."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from highdicom import Volume
from pydicom import Dataset, dcmread

from pulmomap.case import (
    Instance,
    Measurements,
    ModelIdentity,
    Ncct,
    Nodule,
    NoduleMeasurement,
    SelectedSeries,
    SynCect,
    Vessel,
    VesselMap,
    VesselNeighbourhood,
)
from pulmomap.dicom.frames import slices_of
from pulmomap.dicom.geometry import stack_slices
from pulmomap.dicom.header import quiet_parser

SYNTHESISER = ModelIdentity("contrast_synthesis", "0.1.0", "5" * 64, "Trained on phantoms only.")
SEGMENTER = ModelIdentity("vessel_segmentation", "0.2.0", "a" * 64, "Trained on phantoms only.")


def series_of(folder: Path) -> SelectedSeries:
    """The CT of a folder as a selected series, in the order of its slices, without asking any rule."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix in ("", ".dcm")]
    with quiet_parser():
        instances = [Instance(path, dcmread(path, stop_before_pixels=True)) for path in paths]
    stack = stack_slices(slices_of(instances))
    order = dict.fromkeys(one.instance for one in stack.slices)
    first = instances[0].header
    return SelectedSeries(
        key="0123456789abcdef",
        study_uid=first.StudyInstanceUID,
        series_uid=first.SeriesInstanceUID,
        frame_of_reference_uid=stack.frame_of_reference_uid,
        instances=tuple(instances[index] for index in order),
    )


def case_on(
    series: SelectedSeries, labels: npt.ArrayLike | None = None, hu: npt.ArrayLike = -1000, **changes: Any
) -> VesselMap:
    """A vessel map on the grid of a series.

    Args:
        series: read for its geometry alone.
        labels: values of Vessel; by default a reproducible mixture with an empty first and last slice.
        hu: of the Syn-CECT.
        **changes: of the Ncct (nodules, flags).
    """
    geometry = stack_slices(slices_of(series.instances)).geometry()

    def volume(array: npt.ArrayLike, dtype: type) -> Volume:
        full = np.broadcast_to(np.asarray(array), geometry.spatial_shape).astype(dtype)
        return Volume(full, geometry.affine, "PATIENT", frame_of_reference_uid=geometry.frame_of_reference_uid)

    if labels is None:
        labels = np.random.default_rng(3).choice([0, 0, 1, 2], geometry.spatial_shape)
        labels[[0, -1]] = 0
    ncct = dataclasses.replace(Ncct(series, volume(-1000, np.float32), volume(1, np.uint8)), **changes)
    syn = SynCect(ncct, volume(hu, np.int16), SYNTHESISER)
    return VesselMap(syn, volume(labels, np.uint8), SEGMENTER)


def measured(vessels: VesselMap, nodules: Sequence[Nodule], **artery: Any) -> Measurements:
    """Measurements with made-up numbers, each different; ``artery`` replaces some of the artery's."""
    results = []
    for number, nodule in enumerate(nodules, start=1):
        around = VesselNeighbourhood(Vessel.ARTERY, 1234.5 * number, 3, 2.430133, 7.25, nodule.centre)
        vein = VesselNeighbourhood(Vessel.VEIN, 987.25 * number, 5, 5.064573, 11.5, nodule.centre)
        results.append(NoduleMeasurement(nodule, 50.0, dataclasses.replace(around, **artery), vein))
    return Measurements(vessels, tuple(results))


def saved(dataset: Dataset, path: Path) -> Path:
    """Write a result as the operators do."""
    dataset.save_as(path, enforce_file_format=True)
    return path


def dates_in(dataset: Dataset) -> set[str]:
    """Every date and time of a data set, at any depth."""
    return {str(one.value) for one in dataset.iterall() if one.VR in ("DA", "DT", "TM")}
