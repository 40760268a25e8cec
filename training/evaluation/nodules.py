"""Where the nodules of a case are: DICOM objects, a NIfTI mask, or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
from highdicom import Volume
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pulmomap.case import Nodule, SelectedSeries
from pulmomap.dicom.nodules import find_nodules
from training.evaluation.cases import CaseError
from training.evaluation.reading import is_nifti, on_grid_of, read_nifti


class PlainNodule(BaseModel):
    """A nodule as JSON says it; other keys of the phantom's truth are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    centre_lps_mm: tuple[float, float, float] = Field(description="centre, LPS mm")
    diameter_mm: float | None = Field(None, gt=0, le=300, description="mm, if it is known")


def read_nodules(path: Path, scan: Volume, series: SelectedSeries | None) -> tuple[Nodule, ...]:
    """The nodules that a file or folder describes.

    Args:
        path: JSON list, NIfTI mask (each 26-connected part is a nodule), or SEG, RTSTRUCT and SR, a file or a folder.
        scan: the NCCT, canonical.
        series: of the NCCT, where that is DICOM: DICOM objects must belong to it.

    Raises:
        CaseError: the file cannot be understood, an object does not belong to the scan, or a nodule lies outside it.
    """
    if is_nifti(path):
        found = tuple(_of_mask(on_grid_of(read_nifti(path), scan, "nodule mask"), path))
    elif path.suffix == ".json":
        found = _of_json(path)
    else:
        found = _of_dicom(path, scan, series)
    for nodule in found:
        index = scan.map_reference_to_indices(np.array([nodule.centre]))[0]
        if (index < -0.5).any() or (index > np.asarray(scan.spatial_shape) - 0.5).any():
            place = ", ".join(f"{value:.1f}" for value in nodule.centre)
            raise CaseError(f"{path}: {nodule.label} at LPS ({place}) mm lies outside the scan")
    return found


def plain_nodules(content: Any) -> tuple[Nodule, ...]:
    """Nodules of a JSON list. Raises ValidationError."""
    listed = TypeAdapter(list[PlainNodule]).validate_python(content)
    return tuple(_nodule(n, one.centre_lps_mm, one.diameter_mm, "JSON") for n, one in enumerate(listed, start=1))


def _of_json(path: Path) -> tuple[Nodule, ...]:
    try:
        return plain_nodules(json.loads(path.read_text(encoding="utf-8")))
    except (ValidationError, ValueError) as error:
        first = error.errors(include_input=False)[0] if isinstance(error, ValidationError) else {"msg": str(error)}
        raise CaseError(f"{path} is not a list of nodules with centre_lps_mm: {first['msg']}") from error


def _of_mask(mask: Volume, path: Path) -> Iterator[Nodule]:
    parts, count = cc3d.connected_components(np.asarray(mask.array) > 0, connectivity=26, return_N=True)
    if not count:
        raise CaseError(f"{path} marks no nodule; leave it out")
    facts = cc3d.statistics(parts)
    for number in range(1, count + 1):
        centre = mask.map_indices_to_reference(facts["centroids"][number][None])[0]
        volume = float(facts["voxel_counts"][number]) * mask.voxel_volume
        x, y, z = (float(value) for value in centre)
        yield _nodule(number, (x, y, z), float(np.cbrt(6 * volume / np.pi)), "NIfTI")


def _of_dicom(path: Path, scan: Volume, series: SelectedSeries | None) -> tuple[Nodule, ...]:
    if series is None:
        raise CaseError(f"{path} is DICOM and the NCCT is not, so they cannot be matched; give NIfTI or JSON nodules")
    objects = tuple(sorted(one for one in path.rglob("*") if one.is_file())) if path.is_dir() else (path,)
    search = find_nodules(replace(series, companions=objects), scan.get_geometry())
    if not search.nodules:
        raise CaseError(f"{path} gives no nodule of this series{': ' if search.notes else ''}{'; '.join(search.notes)}")
    return search.nodules


def _nodule(number: int, centre: tuple[float, float, float], diameter: float | None, source: str) -> Nodule:
    return Nodule(f"Nodule {number}", centre, diameter, source, f"2.25.{number}")
