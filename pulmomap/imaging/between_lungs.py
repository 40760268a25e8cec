"""The part of the chest where pulmonary vessels are: the lungs and what lies between them."""

from __future__ import annotations

import edt
import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from skimage.morphology import convex_hull_image

from pulmomap.imaging.resampling import resample_image

# A voxel half of which is lung belongs to it, whatever rounding makes of the half.
HALF = 0.499


def between_the_lungs(lungs: Volume, grid: Volume) -> NDArray[np.bool_]:
    """The lungs and what lies between them on another grid: the convex hull of both, slice by slice.

    Args:
        lungs: mask.
        grid: whose voxels are asked for; its slices should be axial.

    Returns:
        bool, shape of ``grid``. Above and below the lungs nothing.
    """
    share = resample_image(lungs.with_array((np.asarray(lungs.array) > 0).astype(np.float32)), grid, fill=0.0)
    mask = np.asarray(share.array) > HALF
    hull = np.zeros(mask.shape, dtype=bool)
    for index in np.flatnonzero(mask.any(axis=(1, 2))):
        flat = np.ptp(np.argwhere(mask[index]), axis=0).min() == 0  # points on a line have no hull
        hull[index] = mask[index] if flat else convex_hull_image(mask[index])  # type: ignore[no-untyped-call]
    return hull


def closeness(inside: NDArray[np.bool_], spacing: tuple[float, float, float], margin: float) -> NDArray[np.float32]:
    """1 inside, falling to 0 at ``margin`` mm outside.

    Args:
        inside: (slice, row, column).
        spacing: mm.
        margin: mm; 0 gives the mask itself.
    """
    if margin <= 0 or not inside.any():
        return inside.astype(np.float32)
    distance = edt.edt(~inside, anisotropy=spacing, black_border=False, parallel=1)
    return np.asarray(np.clip(1.0 - distance / margin, 0.0, 1.0), dtype=np.float32)
