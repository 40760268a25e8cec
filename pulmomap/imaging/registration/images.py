"""Volumes as ITK images and back: the same voxels at the same places."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK
from highdicom import Volume
from numpy.typing import NDArray

from pulmomap.imaging.oblique import Geometry


def as_image(volume: Volume) -> Any:
    """The volume as a SimpleITK image in LPS mm; ITK's first index is the volume's last."""
    array = np.asarray(volume.array)
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(array.astype(np.uint8) if array.dtype == bool else array))
    origin, spacing, direction = frame(volume)
    image.SetOrigin(origin)
    image.SetSpacing(spacing)
    image.SetDirection(direction)
    return image


def frame(geometry: Geometry) -> tuple[list[float], list[float], list[float]]:
    """Origin and spacing, mm, and direction cosines (row by row) of a grid in ITK's order of axes."""
    origin = geometry.affine[:3, 3].tolist()
    spacing = [float(step) for step in geometry.spacing[::-1]]
    return origin, spacing, np.asarray(geometry.direction)[:, ::-1].ravel().tolist()


def on_grid(image: Any, reference: Geometry) -> Volume:
    """An image that was computed on the reference's grid, as a volume of exactly that grid."""
    array: NDArray[Any] = SimpleITK.GetArrayFromImage(image)
    return Volume(array, reference.affine, reference.coordinate_system, reference.frame_of_reference_uid)
