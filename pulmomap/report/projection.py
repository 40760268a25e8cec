"""A coronal view of the whole vessel map: its surfaces, seen from the front, lit, with the far side dimmed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pulmomap.report.palette import BACKGROUND
from pulmomap.report.planes import FloatArray, Plane, View
from pulmomap.report.surfaces import Surface

STEP_MM = 0.5
_MARGIN_MM = 14.0
_LIGHT = np.array([-0.35, -0.8, 0.5]) / np.linalg.norm([-0.35, -0.8, 0.5])
"""LPS direction towards the lamp: in front of the patient, above, from the patient's right."""

_AMBIENT, _DIFFUSE = 0.4, 0.75
_DIMMING = 0.6
"""Share of the light that the farthest point loses."""


def coronal(surfaces: Sequence[Surface]) -> tuple[Plane, npt.NDArray[np.uint8]]:
    """Splat all surfaces on a coronal plane, nearest to the front on top.

    Returns:
        The plane, through the middle of the surfaces, and its pixels (rows, columns, 3), sRGB.

    Raises:
        ValueError: if there is no surface.
    """
    if not surfaces:
        raise ValueError("there is no surface to show")
    low = np.min([surface.vertices.min(axis=0) for surface in surfaces], axis=0).astype(float)
    high = np.max([surface.vertices.max(axis=0) for surface in surfaces], axis=0).astype(float)
    x, y, z = ((low + high) / 2).tolist()
    width, thickness, height = (high - low + 2 * _MARGIN_MM).tolist()
    plane = Plane(View.CORONAL, (x, y, z), width, height, STEP_MM)
    rows, columns = plane.shape
    row, column, depth, colour = (
        np.concatenate(parts)
        for parts in zip(*(_splat(surface, plane, thickness) for surface in surfaces), strict=True)
    )
    pixels = np.empty((rows, columns, 3), dtype=np.uint8)
    pixels[:] = BACKGROUND
    # Farthest first: of points on one pixel, the last written, the nearest, stays.
    order = np.argsort(-depth, kind="stable")
    pixels[row[order], column[order]] = colour[order]
    return plane, pixels


def _splat(
    surface: Surface, plane: Plane, thickness: float
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], FloatArray, npt.NDArray[np.uint8]]:
    """Row, column, depth (mm behind the plane) and lit colour of points that cover the surface without holes."""
    rows, columns = plane.shape
    offset = surface.vertices - np.asarray(plane.centre, dtype=np.float32)
    light = np.clip(_AMBIENT + _DIFFUSE * np.clip(surface.normals @ _LIGHT, 0, 1), 0, 1)
    light *= 1 - _DIMMING * (offset[:, 1] / thickness + 0.5)
    placed = np.stack(
        [(rows - 1) / 2 - offset[:, 2] / STEP_MM, (columns - 1) / 2 + offset[:, 0] / STEP_MM, offset[:, 1], light],
        axis=1,
    )
    corners = placed.astype(np.float32)[surface.faces]
    longest = float(np.abs(corners - np.roll(corners, 1, axis=1))[..., :2].max(initial=0.0))
    row, column, depth, light = np.moveaxis(_barycentric(longest) @ corners, -1, 0).reshape(4, -1)
    colour = (light[:, None] * np.asarray(surface.colour, dtype=np.float32)).round().astype(np.uint8)
    return np.rint(row).astype(np.int32), np.rint(column).astype(np.int32), depth, colour


def _barycentric(longest: float) -> FloatArray:
    """Weights (w, 3) of points at most about a pixel apart inside a triangle whose edges span ``longest`` pixels."""
    count = max(1, int(np.ceil(longest)))
    steps = [(i, j, count - i - j) for i in range(count + 1) for j in range(count + 1 - i)]
    return np.asarray(steps, dtype=np.float32) / np.float32(count)
