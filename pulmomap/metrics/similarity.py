"""Structural similarity of two volumes: SSIM and volumetric MS-SSIM.

Gaussian window of 11 voxels and sigma 1.5, K1 = .01, K2 = .03, population (co)variance (Wang et al., IEEE Trans. Image
Process. 13, 2004); only positions at which the window lies wholly in the volume count. The volumes are clipped to a
window of HU that becomes -1 to 1, the range of the synthesis networks; the luminance term depends on where zero lies.
MS-SSIM (Wang, Simoncelli and Bovik, Asilomar 2003) has five scales with 2 x 2 x 2 mean pooling between them: the
contrast and structure terms of all scales, the luminance of the coarsest, negative means set to 0.

The coarsest of five windows is 176 voxels wide. A volume with a shorter side gets fewer scales, whose weights are
renormalised; values of different numbers of scales cannot be compared. For the same reason there is no MS-SSIM of a
region: its value would be that of the surroundings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from pulmomap.metrics.image import WINDOW, Array, FloatArray, Window, scaled
from pulmomap.metrics.outcome import Outcome, Status, require_one_shape

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the five scales, finest first."""

SIGMA, RADIUS = 1.5, 5
SIDE = 2 * RADIUS + 1
C1, C2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
SLAB = 48
"""Slices filtered at a time: the maps of a whole volume would need several times its memory."""


@dataclass(frozen=True)
class MultiScale:
    """MS-SSIM and what comes with it.

    Attributes:
        outcome: MS-SSIM.
        scales: it was computed with, 1 to 5.
        ssim: of the whole volume, as :func:`ssim` gives it; the finest scale holds it at no cost.
        regional: SSIM in each region that was given, likewise.
    """

    outcome: Outcome
    scales: int
    ssim: Outcome
    regional: Mapping[str, Outcome]


def ssim(predicted: Array, reference: Array, roi: Array | None = None, window: Window = WINDOW) -> Outcome:
    """Mean structural similarity, -1 to 1.

    Args:
        predicted, reference: HU, 3D, of one shape, at least 11 voxels along each axis.
        roi: mask of the same shape; the mean is taken over its voxels that are at least 5 from the volume's border.
        window: HU, lower and upper end.

    Raises:
        ValueError: the shapes differ or are too small, the window is empty, or a volume holds NaN.
    """
    require_one_shape(predicted, reference, roi)
    scales_of(predicted.shape)
    mean = _RegionalMean(roi)
    for part, luminance, contrast in _maps(*scaled(predicted, reference, window)):
        mean.add(luminance * contrast, part)
    return mean.outcome()


def ms_ssim(
    predicted: Array, reference: Array, window: Window = WINDOW, regions: Mapping[str, Array] | None = None
) -> MultiScale:
    """Multi-scale structural similarity of whole volumes, 0 to 1.

    Args:
        predicted, reference, window: as in :func:`ssim`, errors too.
        regions: masks of the same shape, for the SSIM in each.
    """
    named = regions or {}
    for roi in (None, *named.values()):
        require_one_shape(predicted, reference, roi)
    scales = scales_of(predicted.shape)
    pair = scaled(predicted, reference, window)
    single, regional = _RegionalMean(None), {name: _RegionalMean(roi) for name, roi in named.items()}
    result = 1.0
    for scale, weight in enumerate(WEIGHTS[:scales]):
        last = scale == scales - 1
        total, voxels = 0.0, 0
        for part, luminance, contrast in _maps(*pair):
            both = luminance * contrast if last or scale == 0 else contrast
            total += float((both if last else contrast).sum(dtype=np.float64))
            voxels += contrast.size
            for mean in (single, *regional.values()) if scale == 0 else ():
                mean.add(both, part)
        result *= max(0.0, total / voxels) ** (weight / sum(WEIGHTS[:scales]))
        pair = _halved(pair[0]), _halved(pair[1])
    return MultiScale(
        Outcome(result), scales, single.outcome(), {name: mean.outcome() for name, mean in regional.items()}
    )


class _RegionalMean:
    """The mean of a map over a region's voxels at which the window fits; over all of them where the region is None."""

    def __init__(self, roi: Array | None) -> None:
        self.middle = None if roi is None else roi[(slice(RADIUS, -RADIUS),) * 3]
        self.total, self.voxels = 0.0, 0

    def add(self, values: FloatArray, part: slice) -> None:
        inside = values if self.middle is None else values[self.middle[part].astype(bool)]
        self.total += float(inside.sum(dtype=np.float64))
        self.voxels += inside.size

    def outcome(self) -> Outcome:
        return Outcome(self.total / self.voxels) if self.voxels else Outcome.missing(Status.ROI_EMPTY)


def scales_of(shape: tuple[int, ...]) -> int:
    """How many scales a volume has room for, 1 to 5. Raises ValueError where it is smaller than the window."""
    if len(shape) != 3 or min(shape) < SIDE:
        raise ValueError(f"SSIM needs a volume of at least {SIDE} voxels along each of 3 axes, not {shape}")
    return sum(min(shape) >> scale >= SIDE for scale in range(len(WEIGHTS)))


def _maps(first: FloatArray, second: FloatArray) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
    """The luminance and the contrast-structure map of slab after slab, with the slab's slices in the middle part."""
    for start in range(0, len(first) - 2 * RADIUS, SLAB):
        stop = min(start + SLAB, len(first) - 2 * RADIUS)
        x, y = first[start : stop + 2 * RADIUS], second[start : stop + 2 * RADIUS]
        mean_x, mean_y = _smooth(x), _smooth(y)
        means: FloatArray = mean_x**2 + mean_y**2
        product: FloatArray = 2 * mean_x * mean_y
        # The two variances are only ever needed as their sum: one filter instead of two.
        contrast: FloatArray = (2 * _smooth(x * y) - product + C2) / (_smooth(x**2 + y**2) - means + C2)
        luminance: FloatArray = (product + C1) / (means + C1)
        yield slice(start, stop), luminance, contrast


def _smooth(volume: FloatArray) -> FloatArray:
    """Gaussian mean at all positions where the window fits."""
    smooth: FloatArray = gaussian_filter(volume, SIGMA, radius=RADIUS)
    return smooth[(slice(RADIUS, -RADIUS),) * 3]


def _halved(volume: FloatArray) -> FloatArray:
    """Mean of 2 x 2 x 2 voxels; what is left over at an odd side is dropped."""
    slices, rows, columns = (size // 2 for size in volume.shape)
    even = volume[: 2 * slices, : 2 * rows, : 2 * columns].reshape(slices, 2, rows, 2, columns, 2)
    halved: npt.NDArray[np.float32] = even.mean(axis=(1, 3, 5), dtype=np.float32)
    return halved
