"""Whether two volumes lie on one grid, judged by where their corners are: a small turn counts as much as it moves."""

from __future__ import annotations

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray

SAME_PLACE = 1e-2
"""mm; what DICOM's decimal strings and NIfTI's float32 affines may lose over a volume."""


def one_grid(volume: Volume, other: Volume) -> bool:
    """Whether every voxel of one lies where that of the other does, round-off aside."""
    same = volume.spatial_shape == other.spatial_shape
    return bool(same and np.abs(_corners(volume) - _corners(other)).max() <= SAME_PLACE)


def described(volume: Volume) -> str:
    """Size, spacing and origin in words."""
    shape, spacing = (" x ".join(f"{side:g}" for side in sides) for sides in (volume.spatial_shape, volume.spacing))
    return f"{shape} voxels of {spacing} mm from ({', '.join(f'{value:.2f}' for value in volume.affine[:3, 3])})"


def _corners(volume: Volume) -> NDArray[np.float64]:
    """LPS mm of the eight outermost voxel centres."""
    ends = np.array(np.meshgrid(*((0, size - 1) for size in volume.spatial_shape), [1], indexing="ij")).reshape(4, -1)
    return np.asarray((volume.affine @ ends)[:3])
