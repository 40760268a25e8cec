"""The non-contrast CT that a contrast-enhanced one would have been.

Blood is brought down to the brightness it has without contrast, and a voxel that is partly blood by that part. Noise
stays as it was scanned, but in undiluted contrast, which is full of its own streaks. Other tissue keeps its enhancement
(liver, spleen, muscle), as do bone, and streaks around: the result is for judging networks on the vessels of a real
chest, not a virtual non-contrast scan.
"""

from __future__ import annotations

import cc3d
import edt
import numpy as np
from highdicom import Volume
from numpy.typing import NDArray

from pulmomap.imaging.bolus_timing import BLOOD, DENSE, BolusReference, averaged
from pulmomap.imaging.lungs import LungMask

PLAIN_BLOOD = 40.0  # HU without contrast, in the middle of what is published for adults
THIN = -500.0  # HU: half blood, half lung, and a little less
SURROUNDINGS = 3.0  # mm over which the tissue around a vessel is averaged
CLEAR = 1.4  # mm from bright voxels to tissue that holds none of their blood
STREAK = 60.0  # HU above plain blood that may stay at the rim of undiluted contrast
MEAN_OVER = 1.5  # mm, of undiluted contrast
NORMAL_MEDIAN = 0.6745  # of what is off its mean without its sign, in SD, where it is normal
LUMP = 5.0  # mm: what a ball of this radius fits into and is no blood is a nodule or a node


def de_enhanced(cect: Volume, lungs: LungMask, reference: BolusReference, plain: float = PLAIN_BLOOD) -> Volume:
    """Take the contrast out of the blood of a chest CT.

    Args:
        cect: HU, (slice, row, column), axial slices.
        lungs: of this volume.
        reference: the blood of this volume.
        plain: HU of blood without contrast.

    Returns:
        int16 HU on the same grid.
    """
    hu = np.asarray(cect.array, dtype=np.float32)
    spacing = tuple(float(step) for step in cect.spacing)
    vessels = _vessels(hu, np.asarray(lungs.mask.array) > 0, reference, spacing)
    rim = edt.edt(~vessels, anisotropy=spacing, black_border=False, parallel=1) <= CLEAR
    background = np.where(rim, averaged(hu, ~rim, SURROUNDINGS, spacing), hu)
    blood = np.maximum(reference.blood, background + 50.0)
    share = np.clip((hu - background) / (blood - background), 0.0, 1.0)
    # Undiluted blood is all blood, its noise included; at the rim the share says how much.
    share[reference.pool & vessels] = 1.0
    taken = np.where(rim, share * np.maximum(reference.blood - plain, 0.0), np.float32(0))
    result = hu - taken
    # Contrast on its way to the heart is bright beyond measure: a share of it cannot be taken at its rim.
    dense = rim & (reference.blood > reference.aorta + DENSE)
    result[dense] = np.minimum(hu[dense], plain + STREAK)
    undiluted = dense & (hu > BLOOD)
    if undiluted.any():
        result[undiluted] = plain + _quietened(hu, undiluted, reference, spacing)
    return cect.with_array(np.rint(result).astype(np.int16))


def _quietened(
    hu: NDArray[np.float32], undiluted: NDArray[np.bool_], reference: BolusReference, spacing: tuple[float, ...]
) -> NDArray[np.float32]:
    """What undiluted contrast (n voxels) is off its local mean, HU, as weak as the noise of the other blood."""
    noise = float(np.median(np.abs(hu - reference.blood)[reference.pool & ~undiluted])) / NORMAL_MEDIAN
    off = hu - averaged(hu, undiluted, MEAN_OVER, spacing)
    strength = np.sqrt(averaged(off**2, undiluted, 2 * MEAN_OVER, spacing)[undiluted])
    return np.asarray(np.clip(off[undiluted] / np.maximum(strength, 1.0), -2.0, 2.0) * noise, dtype=np.float32)


def _vessels(
    hu: NDArray[np.float32], lung: NDArray[np.bool_], reference: BolusReference, spacing: tuple[float, ...]
) -> NDArray[np.bool_]:
    """Blood and what is joined to it inside the lungs, without lumps that took up no contrast."""
    near = edt.edt(~reference.pool, anisotropy=spacing, black_border=False, parallel=1) <= 4.0
    bright = (hu > BLOOD) & near
    lumps = (hu > -100.0) & (hu < BLOOD) & lung
    centres = edt.edt(lumps, anisotropy=spacing, black_border=False, parallel=1) > LUMP
    lump = (
        edt.edt(~centres, anisotropy=spacing, black_border=False, parallel=1) <= LUMP + 2.0
        if centres.any()
        else centres
    )
    thin = lung & (hu > THIN) & ~lump
    pieces = cc3d.connected_components(bright | thin, connectivity=26)
    joined = np.zeros(int(pieces.max()) + 1, dtype=bool)
    joined[np.unique(pieces[bright])] = True
    joined[0] = False
    return np.asarray(joined[pieces])
