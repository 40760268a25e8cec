"""A chest of half the size, as a continuous function of place, so that a moved one is exact wherever it is sampled."""

from __future__ import annotations

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

FRAME = "1.2.826.0.1.3680043.8.498.2"
OTHER_FRAME = "1.2.826.0.1.3680043.8.498.3"
REACH = 128  # mm to which the vessels' fields reach, on a lattice of 2 mm
Floats = NDArray[np.float64]


def grid(shape: tuple[int, int, int], spacing: float, centre: tuple[float, float, float] = (0, 0, 0)) -> Floats:
    """An affine with slices to the head, rows to the back, columns to the left, around a centre in LPS mm."""
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]]) * spacing
    affine[:3, 3] = np.array(centre) - (np.array(shape[::-1]) - 1) / 2 * spacing
    return affine


def places(shape: tuple[int, int, int], affine: Floats) -> Floats:
    """LPS mm (slice, row, column, 3) of a grid's voxel centres."""
    index = np.stack(np.meshgrid(*(np.arange(size) for size in shape), indexing="ij"), axis=-1)
    return np.asarray(index @ affine[:3, :3].T + affine[:3, 3])


def in_lungs(points: Floats) -> NDArray[np.bool_]:
    """Whether resting points (..., 3) lie in a lung. The right one is the smaller."""
    x, y, z = np.moveaxis(points, -1, 0)
    right = ((x + 42) / 25) ** 2 + (y / 42) ** 2 + (z / 60) ** 2 <= 1
    left = ((x - 42) / 26) ** 2 + (y / 44) ** 2 + (z / 64) ** 2 <= 1
    return np.asarray(right | left)


def hu(points: Floats, *, blood: float = 40.0, seed: int = 0, noise: float = 15.0) -> NDArray[np.float32]:
    """HU at resting points (..., 3): trunk, two lungs, tubes of blood in them that ``seed`` lays out."""
    rng = np.random.default_rng(seed)
    fields = gaussian_filter(rng.standard_normal((2,) + (REACH + 1,) * 3), (0, 4, 4, 4))
    index = np.moveaxis(points[..., ::-1], -1, 0) / 2 + REACH / 2
    one, two = (map_coordinates(field / field.std(), index, order=1, mode="nearest") for field in fields)
    x, y, _ = np.moveaxis(points, -1, 0)
    tissue = np.where((x / 88) ** 2 + (y / 62) ** 2 <= 1, 45.0, -1000.0)
    # Two smooth fields vanish together along curves; a soft edge of them is the partial volume of a tube.
    vessel = np.clip((0.45 - np.hypot(one, two)) / 0.3, 0, 1)
    tissue = np.where(in_lungs(points), -850 + (850 + blood) * vessel, tissue)
    return np.asarray(tissue + np.random.default_rng([seed, 1]).normal(0, noise, tissue.shape), np.float32)


def scan(points: Floats, affine: Floats, frame: str = FRAME, *, blood: float = 40.0, seed: int = 0) -> Volume:
    """A scan on the grid of ``affine`` whose voxels show the body's resting ``points``; noise is never the same."""
    return Volume(hu(points, blood=blood, seed=seed), affine, "PATIENT", frame)
