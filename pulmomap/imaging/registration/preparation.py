"""What elastix gets to see of a scan: a coarse grid, a narrow window, and where to look."""

from __future__ import annotations

from dataclasses import dataclass

import edt
import numpy as np
from highdicom import Volume

from pulmomap.imaging.lungs import lung_mask
from pulmomap.imaging.registration.errors import RegistrationError
from pulmomap.imaging.resampling import resample_labels, to_grid

WORKING_SPACING = 2.0  # mm; finer grids cost time and did not lower the error
# HU. Above 0 HU blood with and without contrast medium are alike, and so are all vessels of the lung.
AIR, BLOOD = -1000.0, 0.0
RIM = 10.0  # mm around the lungs in which samples are drawn: hila, diaphragm and chest wall


@dataclass(frozen=True)
class Prepared:
    """One scan on the working grid (canonical orientation).

    Attributes:
        image: float32 HU, clipped to ``AIR`` to ``BLOOD``.
        lungs: uint8, 1 inside either lung.
        region: uint8, 1 inside the lungs and up to ``RIM`` around them.
        centroid: of the lungs, LPS mm.
    """

    image: Volume
    lungs: Volume
    region: Volume
    centroid: tuple[float, float, float]


def prepare(volume: Volume, role: str) -> Prepared:
    """Bring a scan to the working grid and find its lungs.

    Args:
        volume: HU.
        role: "fixed" or "moving", for messages.

    Raises:
        RegistrationError: no two lungs are found.
    """
    found = lung_mask(volume)
    if not found.mask.array.any():
        raise RegistrationError(f"the {role} scan shows no two lungs; give a scan of the whole chest")
    image = to_grid(volume, (WORKING_SPACING,) * 3, antialias=True)
    lungs = resample_labels(found.mask, image)
    near = edt.edt(lungs.array == 0, anisotropy=image.spacing) <= RIM
    x, y, z = np.argwhere(lungs.array).mean(axis=0) @ image.affine[:3, :3].T + image.affine[:3, 3]
    return Prepared(
        image.with_array(np.clip(image.array, AIR, BLOOD)),
        lungs,
        image.with_array(near.astype(np.uint8)),
        (float(x), float(y), float(z)),
    )
