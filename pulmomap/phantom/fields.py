"""Smooth shapes as signed distances on a coarse grid, and their way onto the voxels of a scan.

Body axes in mm: x to the patient's left, y to the back, z to the head (LPS directions); the carina is near the
origin. Arrays are (z, y, x). A signed distance is negative inside. Shapes are smooth at the coarse grid's 3 mm, so that
they are computed there and interpolated: that is what makes a thorax take seconds.

The coarse grid belongs to the patient, not to the scan: at any spacing the same shapes are sampled. A body that has
breathed in is the same code on displaced coordinates: each cell holds the point of the resting body that came there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

Field = NDArray[np.float32]
Point = NDArray[np.float64]
STEP = 3.0
# Smooth noise lives on a periodic lattice of its own: cells to its size, and cells to its period (at least 250 mm).
CELLS = 2.5
PERIOD = 84
# Voxels are worked on by so many slices at a time. They stay in the processor's cache, and their memory is used again:
# volumes made and thrown away cost more in page faults than in arithmetic, and two processes wait for each other there.
SLAB = 4
Box = tuple[slice, slice, slice]


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

    def centres(self, axis: int) -> Point:
        """Voxel centres along an array axis (0 is z), mm."""
        xyz = 2 - axis
        return np.asarray(self.origin[xyz] + np.arange(self.shape[axis]) * self.spacing[xyz])


@dataclass
class Coarse:
    """The coarse grid that covers a patient, with a random generator for smooth irregularity.

    Attributes:
        low, high: corners of the covered box, (x, y, z) mm.
        rng: draws irregularity and sampled points.
        material: for a displaced body, the resting point (3, z, y, x) at each cell; None for the body at rest.
        axes: cell centres along z, y and x, mm.
        x, y, z: the resting coordinates of each cell, in which all shapes are described.
    """

    low: Point
    high: Point
    rng: np.random.Generator
    material: Field | None = None
    axes: tuple[Field, Field, Field] = field(init=False)
    x: Field = field(init=False)
    y: Field = field(init=False)
    z: Field = field(init=False)
    _lines: tuple[Field, Field, Field] = field(
        init=False
    )  # x, y, z, without repetition where each has a line of its own

    def __post_init__(self) -> None:
        self.axes = tuple(  # type: ignore[assignment]
            np.arange(self.low[axis] - STEP, self.high[axis] + 2 * STEP, STEP, dtype=np.float32) for axis in (2, 1, 0)
        )
        if self.material is None:
            self.z, self.y, self.x = np.meshgrid(*self.axes, indexing="ij")
            z, y, x = np.meshgrid(*self.axes, indexing="ij", sparse=True)
            self._lines = x, y, z
        else:
            self.x, self.y, self.z = self.material
            self._lines = self.x, self.y, self.z

    def irregular(self, amplitude: float, size: float) -> Field:
        """Smooth noise of about the given amplitude (mm or HU) and size (mm), the same for every view of the body."""
        step = max(size / CELLS, STEP)
        noise = gaussian_filter(self.rng.standard_normal((PERIOD,) * 3, dtype=np.float32), size / step, mode="wrap")
        noise *= amplitude / max(float(noise.std()), 1e-9)
        if self.material is not None:
            places = [(part / step) % PERIOD for part in (self.z, self.y, self.x)]
            return np.asarray(map_coordinates(noise, places, order=1, mode="grid-wrap"))
        lows = [int(np.floor(axis[0] / step)) for axis in self.axes]
        cells = [np.arange(low, int(axis[-1] / step) + 3) % PERIOD for low, axis in zip(lows, self.axes, strict=True)]
        places = [axis.astype(float) / step - low for low, axis in zip(lows, self.axes, strict=True)]
        return interpolate(noise[np.ix_(*cells)], places)

    def ellipsoid(self, centre: Point, radii: Point, power: float = 2.0) -> Field:
        """Signed distance to a superellipsoid, exact on its surface."""
        shape = sum(np.abs((axis - c) / r) ** power for axis, c, r in zip(self._lines, centre, radii, strict=True))
        return np.asarray((shape ** (1.0 / power) - 1.0) * min(radii), dtype=np.float32)

    def tube(self, points: list[Point], radii: float | list[float]) -> Field:
        """Signed distance to a chain of round cones through the points."""
        radius = np.broadcast_to(np.asarray(radii, dtype=float), (len(points),))
        links = zip(points, points[1:], radius, radius[1:], strict=False)
        return reduce(np.minimum, [self._cone(a, b, ra, rb) for a, b, ra, rb in links])

    def _cone(self, a: Point, b: Point, ra: float, rb: float) -> Field:
        along = (b - a).astype(np.float32)
        x, y, z = (axis - np.float32(start) for axis, start in zip(self._lines, a, strict=True))
        t = np.clip((x * along[0] + y * along[1] + z * along[2]) / np.float32(along @ along), 0.0, 1.0)
        distance = np.sqrt((x - t * along[0]) ** 2 + (y - t * along[1]) ** 2 + (z - t * along[2]) ** 2)
        return np.asarray(distance - (np.float32(ra) + np.float32(rb - ra) * t))

    def sample(self, inside: NDArray[np.bool_], per_mm3: float) -> Point:
        """Random points (n, 3) in the cells where ``inside`` is true, at the given density. For a body at rest."""
        cells = np.argwhere(inside)
        count = int(len(cells) * STEP**3 * per_mm3)
        if count == 0:
            return np.zeros((0, 3))
        chosen = cells[self.rng.integers(0, len(cells), count)] + self.rng.uniform(-0.5, 0.5, (count, 3))
        return np.stack([self.axes[2 - axis][0] + chosen[:, 2 - axis] * STEP for axis in range(3)], axis=1)

    def at(self, values: NDArray[Any], points: Point) -> NDArray[Any]:
        """Values of the cells that hold the points (n, 3); beyond the grid, of its border."""
        cells = [
            np.clip(np.rint((points[:, 2 - axis] - self.axes[axis][0]) / STEP).astype(int), 0, values.shape[axis] - 1)
            for axis in range(3)
        ]
        return np.asarray(values[tuple(cells)])


def slabs(slices: int) -> Iterator[slice]:
    """The slices of a volume, ``SLAB`` at a time."""
    for first in range(0, slices, SLAB):
        yield slice(first, min(first + SLAB, slices))


class Lens:
    """The way from the coarse grid onto the voxels of one scan."""

    def __init__(self, coarse: Coarse, grid: Grid) -> None:
        self._shape = grid.shape
        self._positions = [(grid.centres(axis) - coarse.axes[axis][0]) / STEP for axis in range(3)]

    def onto_voxels(self, values: Field, box: Box | None = None) -> Field:
        """Linear interpolation of a coarse field at the voxel centres of (a box of) the scan."""
        return interpolate(values, [place[part] for place, part in zip(self._positions, self._box(box), strict=True)])

    def blocks(self, values: Field, below: float = np.inf, box: Box | None = None) -> Iterator[tuple[Box, Field]]:
        """The same a few slices at a time: boxes of voxels and the values there.

        What can nowhere be ``below`` is left out: blocks are cut to the cells that are, and to their neighbours.
        """
        whole = self._box(box)
        low = [
            _below(place[part], size)[0] for place, part, size in zip(self._positions, whole, values.shape, strict=True)
        ]
        for part in slabs(len(low[0])):
            cells = low[0][part]
            near = values[cells.min() : cells.max() + 2] < below
            cut = [slice(whole[0].start + part.start, whole[0].start + part.stop)]
            for axis in (1, 2):
                found = np.flatnonzero(near.any(axis=(0, 3 - axis)))
                reached = (low[axis] + 1 >= found[0]) & (low[axis] <= found[-1]) if len(found) else np.zeros(1, bool)
                voxels = np.flatnonzero(reached)
                if len(voxels) == 0:
                    break
                cut.append(slice(whole[axis].start + int(voxels[0]), whole[axis].start + int(voxels[-1]) + 1))
            else:
                block = cut[0], cut[1], cut[2]
                yield block, self.onto_voxels(values, block)

    def nearest(self, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Labels of the nearest coarse cells at the voxel centres of the scan."""
        cells = [
            np.clip(np.rint(place).astype(int), 0, size - 1)
            for place, size in zip(self._positions, values.shape, strict=True)
        ]
        result = np.empty(self._shape, dtype=np.uint8)
        for part in slabs(self._shape[0]):
            result[part] = values[cells[0][part]].take(cells[1], axis=1).take(cells[2], axis=2)
        return result

    def voxel_box(self, inside: NDArray[np.bool_]) -> Box | None:
        """The box of voxels that covers the true cells, with a cell of margin; None where there is none."""
        box = []
        for axis, position in enumerate(self._positions):
            found = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
            if len(found) == 0:
                return None
            voxels = np.flatnonzero((position >= found[0] - 1) & (position <= found[-1] + 1))
            if len(voxels) == 0:
                return None
            box.append(slice(int(voxels[0]), int(voxels[-1]) + 1))
        return box[0], box[1], box[2]

    def _box(self, box: Box | None) -> Box:
        return box or (slice(0, self._shape[0]), slice(0, self._shape[1]), slice(0, self._shape[2]))


def interpolate(values: Field, places: Sequence[NDArray[np.floating]]) -> Field:
    """Linear interpolation on a regular grid at the product of three lists of indices; beyond the border, its value."""
    cells = [_below(place, size) for place, size in zip(places, values.shape, strict=True)]
    # Only the cells around: their first one along each axis is the new zero.
    cut = tuple(slice(int(low.min()), int(low.max()) + 2) for low, _ in cells)
    result = np.ascontiguousarray(values[cut], dtype=np.float32)
    for axis, (low, weight) in enumerate(cells):
        first, second = (torch.from_numpy(result.take(low - cut[axis].start + step, axis=axis)) for step in (0, 1))
        shaped = torch.from_numpy(weight).reshape([-1 if other == axis else 1 for other in range(3)])
        result = first.lerp_(second, shaped).numpy()
    return result


def _below(place: NDArray[np.floating], size: int) -> tuple[NDArray[np.int64], Field]:
    """The cell below each index along an axis of ``size`` cells, and the weight of the next one."""
    inside = np.clip(place, 0, size - 1)
    low = np.clip(np.floor(inside).astype(np.int64), 0, size - 2)
    return low, (inside - low).astype(np.float32)
