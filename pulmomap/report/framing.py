"""Where the report's pictures are taken: around the lungs, and through the hilum when there is no nodule."""

from __future__ import annotations

import numpy as np
from highdicom import Volume

from pulmomap.case import Measurements
from pulmomap.report.planes import Plane, Vector, View

_WIDE_STEP_MM = 0.8
_MARGIN_MM = 25.0
_HILUM_MM = 20.0


def wide_plane(measurements: Measurements, view: View, centre: Vector) -> Plane:
    """The plane of a view through ``centre`` that shows both lungs; square, with one scale for all three views."""
    low, high = (np.asarray(corner) for corner in _bounds(measurements))
    normal = 1 - np.abs(view.value[0]) - np.abs(view.value[1])
    side = float((high - low).max())
    return Plane(view, vector((low + high) / 2 * (1 - normal) + np.asarray(centre) * normal), side, side, _WIDE_STEP_MM)


def hilum(measurements: Measurements) -> Vector:
    """The densest part of the vessel map (LPS mm), which is at a hilum; the middle of the lungs when it is empty."""
    labels = measurements.vessels.labels
    found = np.argwhere(labels.array > 0)
    if not len(found):
        return vector(np.mean(_bounds(measurements), axis=0))
    points = found @ labels.affine[:3, :3].T + labels.affine[:3, 3]
    cells, which = np.unique(np.floor(points / _HILUM_MM), axis=0, return_inverse=True)
    densest = int(np.argmax(np.bincount(which.ravel(), minlength=len(cells))))
    return vector(points[which.ravel() == densest].mean(axis=0))


def require_one_grid(measurements: Measurements) -> None:
    """Raise ValueError, naming both, unless every volume of the case lies on the grid of the NCCT."""
    ncct = measurements.ncct.volume
    others = {
        "lung mask": measurements.ncct.lungs,
        "Syn-CECT": measurements.syn.volume,
        "vessel map": measurements.vessels.labels,
    }
    for name, other in others.items():
        if not ncct.geometry_equal(other):
            raise ValueError(f"the {name} ({_grid(other)}) does not lie on the grid of the NCCT ({_grid(ncct)})")


def vector(values: object) -> Vector:
    """A position as plain floats."""
    x, y, z = np.asarray(values, dtype=float).tolist()
    return x, y, z


def _bounds(measurements: Measurements) -> tuple[Vector, Vector]:
    """Opposite corners (LPS mm) of the lungs with a margin; of the whole volume when there is no lung mask."""
    volume = measurements.ncct.volume
    box = _box(measurements.ncct.lungs) or tuple((0, size - 1) for size in volume.spatial_shape)
    corners = np.stack(np.meshgrid(*box, indexing="ij"), axis=-1).reshape(-1, 3)
    points = volume.map_indices_to_reference(corners)
    return vector(points.min(axis=0) - _MARGIN_MM), vector(points.max(axis=0) + _MARGIN_MM)


def _box(mask: Volume) -> tuple[tuple[int, int], ...] | None:
    """First and last index of the mask along each axis."""
    flat = np.asarray(mask.array.any(axis=0))
    if not flat.any():
        return None
    found = (mask.array.any(axis=(1, 2)), flat.any(axis=1), flat.any(axis=0))
    return tuple((int(np.flatnonzero(axis)[0]), int(np.flatnonzero(axis)[-1])) for axis in found)


def _grid(volume: Volume) -> str:
    origin = ", ".join(f"{value:.2f}" for value in volume.position)
    spacing = " x ".join(f"{value:.3f}" for value in volume.spacing)
    return f"shape {volume.spatial_shape}, spacing {spacing} mm, origin ({origin}) mm"
