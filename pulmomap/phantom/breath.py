"""How the body moves from one breath level to another: an exact displacement in closed form, plus a little at random.

The diaphragm and what lies below it move along z; the lungs follow less and less towards the apex; the front of the
chest rises; the spine stays. Breathing in is positive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from pulmomap.phantom.fields import Coarse, Point
from pulmomap.phantom.population import Patient

# The inverse is found by fixed-point iteration; the displacement's slope stays below one half, so that it converges.
ITERATIONS = 40
LATTICE, REACH = 20.0, 340.0  # mm: the random part's grid and how far it reaches


def _rise(value: NDArray[np.floating]) -> NDArray[np.floating]:
    """A smooth step from 0 to 1."""
    t = np.clip(value, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


@dataclass(frozen=True)
class Breath:
    """A change of breath level.

    Attributes:
        patient: whose.
        descent: mm by which the domes go down; negative when breathing out.
        shift: mm by which the whole patient moved on the table, (x, y, z).
        waviness: mm (3, n, n, n) on a lattice of ``LATTICE`` mm around the origin: what no formula foresees.
    """

    patient: Patient
    descent: float
    shift: Point
    waviness: NDArray[np.float32]

    def displacement(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Where resting points (..., 3), LPS mm, go: mm (..., 3)."""
        x, y, z = np.moveaxis(np.asarray(points, dtype=np.float32), -1, 0)
        p = self.patient
        # 1 at the domes and below, 0 at the apices.
        low = p.base + 25.0
        along = 1.0 - _rise((z - low) / (p.apex + 10.0 - low))
        across = np.sqrt((x / p.half_width) ** 2 + (y / p.half_depth) ** 2)
        wall = 1.0 - 0.9 * _rise((across - 0.55) / 0.9)
        spine = 1.0 - 0.9 * np.exp(-(x**2 / 60.0**2 + (y - p.half_depth) ** 2 / 60.0**2))
        down = -self.descent * along * wall * spine
        front = -0.22 * self.descent * _rise((0.5 * p.half_depth - y) / (1.8 * p.half_depth))
        side = 0.12 * self.descent * np.tanh(x / 60.0)
        middle = 1.0 - _rise((np.abs(z - 0.3 * p.base) - 60.0) / 160.0)
        moved = np.stack([side * middle, front * middle, down], axis=-1)
        places = [np.clip(part / LATTICE + (self.waviness.shape[1] - 1) / 2, 0, None) for part in (z, y, x)]
        for axis in range(3):
            moved[..., axis] += map_coordinates(self.waviness[axis], places, order=1, mode="nearest")
        return np.asarray(moved + self.shift, dtype=np.float32)

    def resting(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """The resting points (..., 3) that came to the given places."""
        points = np.asarray(points, dtype=np.float32)
        result = points - self.displacement(points)
        for _ in range(ITERATIONS):
            change = points - self.displacement(result) - result
            result += change
            if np.abs(change).max() < 1e-3:
                break
        return result

    def stretch(self, coarse: Coarse) -> NDArray[np.float32]:
        """Local volume relative to the resting one at each cell of a displaced coarse grid."""
        material = np.stack([coarse.x, coarse.y, coarse.z])
        slopes = [np.gradient(part, *coarse.axes) for part in material]
        # d(resting)/d(place), rows x y z of the resting point, columns x y z of the place.
        matrix = np.stack([np.stack(slope[::-1], axis=-1) for slope in slopes], axis=-2)
        return np.asarray(1.0 / np.linalg.det(matrix), dtype=np.float32)


def draw_breath(patient: Patient, rng: np.random.Generator) -> Breath:
    """A second breath level, 8 to 20 mm away, up or down."""
    count = 2 * int(REACH / LATTICE) + 1
    noise = gaussian_filter(rng.standard_normal((3, count, count, count)), (0, 1.6, 1.6, 1.6), mode="wrap")
    noise *= 0.8 / noise.std()
    return Breath(
        patient=patient,
        descent=float(rng.choice([-1.0, 1.0]) * rng.uniform(8.0, 20.0)),
        shift=rng.normal(0.0, 1.5, 3),
        waviness=noise.astype(np.float32),
    )
