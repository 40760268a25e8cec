"""A closed surface around one class of a label map.

The map is not resampled: each voxel of the class is deposited on a coarse grid along the patient's axes, as the share
of the cells that it fills. That costs time for vessel voxels only (about one in two hundred), needs no copy of the
volume, and gives the same surface whichever way the volume is stored, oblique ones included.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from highdicom import Volume
from scipy.ndimage import gaussian_filter
from skimage.measure import marching_cubes

MAX_FACES = 60_000
"""Triangles of one structure: keeps the report small and the 3D view fluent on a tablet."""

_FINEST_MM = 1.25
_BLUR_CELLS = 0.6
_LEVELS = (0.15, 0.5)
"""Bounds of the surface's level: below, the surface swells; above, it eats into large vessels."""

FloatArray = npt.NDArray[np.float32]
Mesh = tuple[FloatArray, FloatArray, npt.NDArray[np.uint32]]
"""Vertices (n, 3; LPS mm), outward unit normals (n, 3), triangles (m, 3; counter-clockwise from outside)."""


def enclose(labels: Volume, value: int, max_faces: int = MAX_FACES) -> Mesh | None:
    """The surface around the voxels of one value, coarsened until it has at most ``max_faces`` triangles.

    Its level is chosen so that the surface encloses as much volume as the voxels fill. The plain level, one half, loses
    every vessel thinner than a cell.

    Args:
        labels: label map on any affine.
        value: which voxels.
        max_faces: upper bound of the number of triangles.

    Returns:
        The mesh, or None when no voxel has the value.
    """
    points, volume = _fill(labels, value)
    if not len(points):
        return None
    step = _FINEST_MM
    while True:
        origin = np.floor(points.min(axis=0) / step) * step - 3 * step
        share = _deposit((points - origin) / step) * np.float32(volume / step**3)
        share = gaussian_filter(share, _BLUR_CELLS, truncate=3.0)
        level = _level(share, len(points) * volume / step**3)
        vertices, faces, normals, _ = marching_cubes(share, level, allow_degenerate=False)  # type: ignore[no-untyped-call]
        if len(faces) <= max_faces:
            placed = (vertices * step + origin).astype(np.float32)
            # scikit-image winds its triangles clockwise seen from outside.
            return placed, normals.astype(np.float32), np.ascontiguousarray(faces[:, ::-1], dtype=np.uint32)
        step *= max(1.05, float(np.sqrt(len(faces) / max_faces)))


def _fill(labels: Volume, value: int) -> tuple[FloatArray, float]:
    """Points (n, 3; LPS mm) that fill the voxels evenly, and the volume (mm3) that one point stands for."""
    counts = [max(1, int(np.ceil(2 * spacing / _FINEST_MM))) for spacing in labels.spacing]
    offsets = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n - 0.5 for n in counts], indexing="ij"), axis=-1)
    found = np.argwhere(labels.array == value)
    matrix = labels.affine[:3, :3]
    spread = (found @ matrix.T)[:, None] + offsets.reshape(-1, 3) @ matrix.T
    points = (spread.reshape(-1, 3) + labels.affine[:3, 3]).astype(np.float32)
    return points, float(labels.voxel_volume / np.prod(counts))


def _deposit(points: FloatArray) -> FloatArray:
    """How many points fall to each node of a unit grid, shared linearly among the eight nodes around each."""
    shape = tuple(int(size) for size in np.floor(points.max(axis=0)) + 5)
    base = np.floor(points)
    part = points - base
    index = np.ravel_multi_index(tuple(base.astype(np.int64).T), shape)
    grid = np.zeros(int(np.prod(shape)))
    for corner in np.ndindex(2, 2, 2):
        x, y, z = (part[:, axis] if far else 1 - part[:, axis] for axis, far in enumerate(corner))
        grid += np.bincount(index + np.ravel_multi_index(corner, shape), x * y * z, minlength=grid.size)
    return grid.reshape(shape).astype(np.float32)


def _level(share: FloatArray, cells: float) -> float:
    """The level above which ``cells`` cells lie, within bounds and within the field."""
    highest = float(share.max())
    filled = np.sort(share[share > min(_LEVELS[0], highest) / 10])[::-1]
    level = float(np.clip(filled[min(len(filled) - 1, round(cells))], *_LEVELS))
    # A lone small voxel never reaches the lower bound; it is shown all the same.
    return min(level, highest / 2)
