"""What the page's 3D view needs, as plain JSON: quantised meshes and the measured points.

Vertices are int16 steps from a common origin (LPS mm); normals are not stored, the viewer computes them. That is six
bytes a vertex and six (twelve for very large meshes) a triangle before base64.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from pulmomap.case import Measurements, NoduleMeasurement, VesselNeighbourhood
from pulmomap.report.palette import as_hex
from pulmomap.report.surfaces import POINT_DIAMETER_MM, Surface

_INT16 = 32767


def scene(measurements: Measurements, surfaces: Sequence[Surface]) -> dict[str, Any]:
    """The 3D view's content.

    Returns:
        ``origin`` (LPS mm), ``step`` (mm per int16 step), ``radius`` (mm around the origin that hold everything),
        ``structures`` and ``nodules``; empty when there is no surface.
    """
    if not surfaces:
        return {}
    low = np.min([surface.vertices.min(axis=0) for surface in surfaces], axis=0).astype(float)
    high = np.max([surface.vertices.max(axis=0) for surface in surfaces], axis=0).astype(float)
    origin = (low + high) / 2
    step = max(float((high - low).max()) / 2 / _INT16, 1e-6)
    return {
        "origin": origin.round(3).tolist(),
        "step": step,
        "radius": float(np.linalg.norm(high - low) / 2),
        "structures": [_structure(surface, origin.round(3), step) for surface in surfaces],
        "nodules": [_nodule(number, entry) for number, entry in enumerate(measurements.nodules, start=1)],
    }


def _structure(surface: Surface, origin: Any, step: float) -> dict[str, Any]:
    steps = np.clip(np.rint((surface.vertices - origin) / step), -_INT16, _INT16)
    wide = len(surface.vertices) > np.iinfo(np.uint16).max
    return {
        "name": surface.name,
        "title": surface.title,
        "colour": as_hex(surface.colour),
        "opacity": surface.opacity,
        "wide": wide,
        "vertices": _base64(steps, "<i2"),
        "faces": _base64(surface.faces, "<u4" if wide else "<u2"),
    }


def _nodule(number: int, entry: NoduleMeasurement) -> dict[str, Any]:
    nodule = entry.nodule
    return {
        "name": f"nodule-{number}",
        "title": nodule.label,
        "centre": list(nodule.centre),
        "radius": (nodule.diameter or POINT_DIAMETER_MM) / 2,
        "region": entry.roi_diameter / 2,
        "nearest": [_nearest(vessel) for vessel in (entry.artery, entry.vein) if vessel.nearest is not None],
    }


def _nearest(neighbourhood: VesselNeighbourhood) -> dict[str, Any]:
    return {
        "vessel": neighbourhood.vessel.name.lower(),
        "distance": neighbourhood.distance,
        "point": list(neighbourhood.nearest or ()),
    }


def _base64(values: Any, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode("ascii")
