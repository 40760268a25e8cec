"""Smooth shapes as signed distances on a coarse grid, and their way onto the voxels of a scan.

Body axes in mm: x to the patient's left, y to the back, z to the head (LPS directions); the carina lies at the origin.
Arrays are (z, y, x). A signed distance is negative inside. Shapes are smooth at the coarse grid's 3 mm, so that
they are computed there and interpolated: that is what makes a thorax take seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Field = NDArray[np.float32]
Point = NDArray[np.float64]
STEP = 3.0


@dataclass(frozen=True)
class Grid:
    """The voxels of a scan.

    Attributes:
        origin: centre of the first voxel, (x, y, z) mm.
        spacing: (x, y, z) mm.
        shape: (z, y, x).
    """

    origin: Point
    spacing: Point
    shape: tuple[int, int, int]

    @property
    def extent(self) -> Point:
        """(x, y, z) mm."""
        return np.asarray(self.spacing * np.array(self.shape[::-1]))

    @property
    def affine(self) -> Point:
        """(slice, row, column) index -> LPS mm."""
        affine = np.zeros((4, 4))
        affine[2, 0], affine[1, 1], affine[0, 2] = self.spacing[::-1]
        affine[:3, 3] = self.origin
        affine[3, 3] = 1.0
        return affine


@dataclass
class Coarse:
    """The coarse grid that covers a scan, with a random generator for smooth irregularity."""

    grid: Grid
    rng: np.random.Generator
    axes: tuple[Field, Field, Field] = field(init=False)
    x: Field = field(init=False)
    y: Field = field(init=False)
    z: Field = field(init=False)

    def __post_init__(self) -> None:
        low, extent = self.grid.origin - STEP, self.grid.extent
        self.axes = tuple(  # type: ignore[assignment]
            np.arange(low[axis], low[axis] + extent[axis] + 3 * STEP, STEP, dtype=np.float32) for axis in (2, 1, 0)
        )
        self.z, self.y, self.x = np.meshgrid(*self.axes, indexing="ij")

    def irregular(self, amplitude: float, size: float) -> Field:
        """Smooth noise of about the given amplitude (mm or HU) and size (mm)."""
        cells = size / STEP
        noise = gaussian_filter(self.rng.standard_normal(self.z.shape, dtype=np.float32), cells)
        return np.asarray(noise * (amplitude / max(float(noise.std()), 1e-9)), dtype=np.float32)

    def ellipsoid(self, centre: Point, radii: Point, power: float = 2.0) -> Field:
        """Signed distance to a superellipsoid, exact on its surface."""
        shape = sum(
            np.abs((axis - c) / r) ** power for axis, c, r in zip((self.x, self.y, self.z), centre, radii, strict=True)
        )
        return np.asarray((shape ** (1.0 / power) - 1.0) * min(radii), dtype=np.float32)

    def tube(self, points: list[Point], radii: float | list[float]) -> Field:
        """Signed distance to a chain of round cones through the points."""
        radius = np.broadcast_to(np.asarray(radii, dtype=float), (len(points),))
        links = zip(points, points[1:], radius, radius[1:], strict=False)
        return reduce(np.minimum, [self._cone(a, b, ra, rb) for a, b, ra, rb in links])

    def _cone(self, a: Point, b: Point, ra: float, rb: float) -> Field:
        along = b - a
        offsets = (self.x - a[0], self.y - a[1], self.z - a[2])
        t = np.clip(sum(o * d for o, d in zip(offsets, along, strict=True)) / float(along @ along), 0.0, 1.0)
        distance = np.sqrt(sum((o - t * d) ** 2 for o, d in zip(offsets, along, strict=True)))
        return np.asarray(distance - (ra + (rb - ra) * t), dtype=np.float32)

    def sample(self, inside: NDArray[np.bool_], per_mm3: float) -> Point:
        """Random points (n, 3) in the cells where ``inside`` is true, at the given density."""
        cells = np.argwhere(inside)
        count = int(len(cells) * STEP**3 * per_mm3)
        if count == 0:
            return np.zeros((0, 3))
        chosen = cells[self.rng.integers(0, len(cells), count)] + self.rng.uniform(-0.5, 0.5, (count, 3))
        return np.stack([self.axes[2 - axis][0] + chosen[:, 2 - axis] * STEP for axis in range(3)], axis=1)

    def onto_voxels(self, values: Field, box: tuple[slice, slice, slice] | None = None) -> Field:
        """Linear interpolation of a coarse field at the voxel centres of (a box of) the scan."""
        result = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
        for axis in range(3):
            position = self._positions(axis)
            if box is not None:
                position = position[box[axis]]
            low = np.clip(np.floor(position).astype(np.int64), 0, values.shape[axis] - 2)
            weight = torch.from_numpy((position - low).astype(np.float32))
            weight = weight.reshape([-1 if other == axis else 1 for other in range(3)])
            first = result.index_select(axis, torch.from_numpy(low))
            result = torch.lerp(first, result.index_select(axis, torch.from_numpy(low + 1)), weight)
        return np.asarray(result.numpy())

    def nearest(self, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Labels of the nearest coarse cells at the voxel centres of the scan."""
        cells = [np.clip(np.rint(self._positions(axis)).astype(int), 0, values.shape[axis] - 1) for axis in range(3)]
        return np.asarray(values[np.ix_(*cells)])

    def voxel_box(self, inside: NDArray[np.bool_]) -> tuple[slice, slice, slice] | None:
        """The box of voxels that covers the true cells, with a cell of margin; None where there is none."""
        box = []
        for axis in range(3):
            found = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
            position = self._positions(axis)
            if len(found) == 0:
                return None
            voxels = np.flatnonzero((position >= found[0] - 1) & (position <= found[-1] + 1))
            if len(voxels) == 0:
                return None
            box.append(slice(int(voxels[0]), int(voxels[-1]) + 1))
        return box[0], box[1], box[2]

    def _positions(self, axis: int) -> Point:
        """Coarse index of every voxel centre along an array axis."""
        xyz = 2 - axis
        voxels = self.grid.origin[xyz] + np.arange(self.grid.shape[axis]) * self.grid.spacing[xyz]
        return np.asarray((voxels - self.axes[axis][0]) / STEP)
