"""How near a synthetic CT comes to the real one, voxel by voxel: PSNR and NMAE.

Both volumes are clipped to a window first and the window's width R is the data range: PSNR = 20 log10(R / RMSE) and
NMAE = mean |x - y| / R. With the default window, 2000 HU, 28.1 dB mean an RMSE of 78 HU.

Most of a scan is air and bed: over the whole volume the unprocessed NCCT scores as well as any network. Report the
body, the lungs and the vessels too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pulmomap.metrics.outcome import Outcome, Status, require_one_shape

WINDOW = (-1000.0, 1000.0)
"""HU."""

PSNR_CAP = 100.0
"""dB, given to volumes that are the same."""

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]
Window = tuple[float, float]


def psnr(predicted: Array, reference: Array, roi: Array | None = None, window: Window = WINDOW) -> Outcome:
    """Peak signal-to-noise ratio, dB, at most :data:`PSNR_CAP`.

    Args:
        predicted, reference: HU, of one shape.
        roi: mask of the same shape; None takes the whole volume.
        window: HU, lower and upper end.

    Raises:
        ValueError: the shapes differ, the window is empty, or a volume holds NaN.
    """
    error = _mean_power(predicted, reference, roi, window, 2)
    if not error.ok:
        return error
    return Outcome(min(PSNR_CAP, -10 * math.log10(error.value))) if error.value else Outcome(PSNR_CAP)


def nmae(predicted: Array, reference: Array, roi: Array | None = None, window: Window = WINDOW) -> Outcome:
    """Mean absolute error as a fraction of the window; arguments and errors as in :func:`psnr`."""
    return _mean_power(predicted, reference, roi, window, 1)


def scaled(predicted: Array, reference: Array, window: Window) -> tuple[FloatArray, FloatArray]:
    """Both volumes clipped to the window, which becomes -1 to 1; float32 copies. Errors as in :func:`psnr`."""
    require_one_shape(predicted, reference)
    low, high = window
    if not low < high:
        raise ValueError(f"the window from {low:g} to {high:g} HU is empty")
    results = []
    for name, volume in (("prediction", predicted), ("reference", reference)):
        result = volume.astype(np.float32)
        np.clip(result, low, high, out=result)
        result -= np.float32((low + high) / 2)
        result /= np.float32((high - low) / 2)
        if math.isnan(result.sum(dtype=np.float64)):
            raise ValueError(f"the {name} holds NaN; scores need a value in every voxel")
        results.append(result)
    return results[0], results[1]


def _mean_power(predicted: Array, reference: Array, roi: Array | None, window: Window, power: int) -> Outcome:
    """Mean of |x - y|^power, the window's width being 1."""
    require_one_shape(predicted, reference, roi)
    error, other = scaled(predicted, reference, window)
    error -= other
    error /= 2
    del other
    np.abs(error, out=error)
    values = error.ravel() if roi is None else error[roi.astype(bool)]
    if not values.size:
        return Outcome.missing(Status.ROI_EMPTY)
    if power == 2:
        np.square(values, out=values)
    return Outcome(float(values.mean(dtype=np.float64)))
