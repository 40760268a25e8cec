"""Planes through the patient, and what a volume shows on them.

A picture is sampled on a plane of the patient frame, never taken as a slice of the array: so it is the same picture
whichever way the volume is stored, its pixels are square, oblique volumes come out upright, and the letters at its
edges follow from the plane's own directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
from highdicom import Volume
from scipy.ndimage import map_coordinates

FloatArray = npt.NDArray[np.float32]
Vector = tuple[float, float, float]


class View(Enum):
    """The three usual views in radiological convention, as (right, down) directions of the screen in LPS.

    The patient's right is on the left of axial and coronal pictures; sagittal pictures face to the left (anterior).
    """

    AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    CORONAL = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
    SAGITTAL = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))

    @property
    def title(self) -> str:
        return self.name.capitalize()


@dataclass(frozen=True)
class Plane:
    """A rectangle in the patient.

    Attributes:
        view: its directions.
        centre: LPS mm.
        width, height: mm.
        step: mm between samples, both ways.
    """

    view: View
    centre: Vector
    width: float
    height: float
    step: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return max(1, round(self.height / self.step)), max(1, round(self.width / self.step))

    def positions(self) -> npt.NDArray[np.float64]:
        """LPS mm of every sample, (rows, columns, 3)."""
        right, down = (np.asarray(direction) for direction in self.view.value)
        rows, columns = ((np.arange(size) - (size - 1) / 2) * self.step for size in self.shape)
        positions: npt.NDArray[np.float64] = self.centre + rows[:, None, None] * down + columns[:, None] * right
        return positions

    def locate(self, point: Vector) -> tuple[float, float]:
        """Where a point falls, as fractions (across, down) of the picture; perpendicular distance is dropped."""
        right, down = (np.asarray(direction) for direction in self.view.value)
        offset = np.subtract(point, self.centre)
        rows, columns = self.shape
        return (
            float(offset @ right / (columns * self.step) + 0.5),
            float(offset @ down / (rows * self.step) + 0.5),
        )

    def edges(self) -> dict[str, str]:
        """The patient's letter at each edge of the picture: keys left, right, top, bottom."""
        right, down = self.view.value
        return {
            "left": letter(_opposite(right)),
            "right": letter(right),
            "top": letter(_opposite(down)),
            "bottom": letter(down),
        }


def letter(direction: Vector) -> str:
    """The side of the patient towards which a direction (LPS) points most: one of R L A P H F."""
    axis = int(np.argmax(np.abs(direction)))
    return ("LR", "PA", "HF")[axis][0 if direction[axis] > 0 else 1]


def sample(volume: Volume, plane: Plane, fill: float) -> FloatArray:
    """Linear interpolation of a volume on a plane, (rows, columns) float32; ``fill`` outside the volume."""
    return _interpolate(volume, plane, fill, None)


def sample_label(volume: Volume, value: int, plane: Plane) -> FloatArray:
    """The share, 0 to 1, of one label on a plane: its outline is where this crosses one half."""
    return _interpolate(volume, plane, 0.0, value)


def _interpolate(volume: Volume, plane: Plane, fill: float, value: int | None) -> FloatArray:
    inverse = np.linalg.inv(volume.affine)
    # Rounded, so that a sample on the volume's very edge is not lost to the inverse's last digit.
    indices = np.round(plane.positions() @ inverse[:3, :3].T + inverse[:3, 3], 6)
    limits = np.asarray(volume.spatial_shape)
    first = np.clip(np.floor(indices.min(axis=(0, 1))), 0, limits).astype(int)
    last = np.clip(np.ceil(indices.max(axis=(0, 1))) + 1, 0, limits).astype(int)
    if np.any(last <= first):
        return np.full(plane.shape, fill, dtype=np.float32)
    # Only the slab around the plane is converted: a plane along the slices touches one or two of them.
    slab = volume.array[first[0] : last[0], first[1] : last[1], first[2] : last[2]]
    slab = slab if value is None else slab == value
    coordinates = np.moveaxis(indices - first, -1, 0)
    sampled: FloatArray = map_coordinates(slab.astype(np.float32), coordinates, order=1, mode="constant", cval=fill)
    return sampled


def _opposite(direction: Vector) -> Vector:
    return -direction[0], -direction[1], -direction[2]
