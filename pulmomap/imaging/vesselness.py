"""Vesselness: how much a voxel looks like the inside of a bright tube, at the calibres of lung vessels.

Frangi et al., "Multiscale vessel enhancement filtering", MICCAI 1998, with scales in millimetres and a structure
threshold in HU instead of one taken from the image: a voxel's answer depends on its surroundings and on nothing else in
the scan, so a tile gives what the whole volume gives.

The second derivatives of a Gaussian are separable, and each pass is a product with a band matrix: on tiles of this size
a matrix product is several times faster than a convolution, on CPUs and GPUs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

SCALES_MM = (0.7, 1.2, 2.0, 3.0)  # sigma; a tube answers most strongly where sigma is about 0.7 of its radius
PLATE = 0.5  # alpha: sheets such as fissures and the pleura
BLOB = 0.5  # beta: nodules
STRUCTURE_HU = 100.0  # c: noise of 30 HU stays below a third of it, a vessel in the lung lies far above
FLAT_HU = -1e-4  # a curvature below this is none; keeps ratios and their gradients finite
REACH = 4.0  # sigmas at which the Gaussian is cut
TILE = 64  # voxels; what a tile needs stays in the cache of a core
HU_LIMITS = (-1000.0, 600.0)  # beyond lies what is no vessel: metal, cortical bone

Spacing = tuple[float, float, float]
Bands = tuple[Tensor, Tensor, Tensor]


def derivative_kernels(sigma: float) -> NDArray[np.float64]:
    """The Gaussian and its first two derivatives, sampled.

    The moments of the sampled kernels are set right, so that every quadratic image gets its exact derivatives however
    small ``sigma`` is; without that a constant -850 HU would have a curvature.

    Args:
        sigma: voxels.

    Returns:
        (3, 2 r + 1) with r = ceil(REACH sigma), to be correlated with the image.
    """
    reach = max(1, math.ceil(REACH * sigma))
    x = np.arange(-reach, reach + 1, dtype=np.float64)
    bell = np.exp(-0.5 * (x / sigma) ** 2)
    bell /= bell.sum()
    slope = x * bell / (x**2 * bell).sum()
    bend = (x**2 - (x**2 * bell).sum()) * bell
    return np.stack([bell, slope, bend * 2.0 / (x**2 * bend).sum()])


def hessian(volume: Tensor, sigma: float, spacing: Spacing) -> Tensor:
    """Second derivatives of a volume smoothed by a Gaussian.

    Args:
        volume: (batch, slices, rows, columns), any unit; the border is repeated outwards.
        sigma: mm.
        spacing: mm between voxel centres along the three axes.

    Returns:
        (6, batch, slices, rows, columns), unit / mm²: ss, sr, sc, rr, rc, cc.
    """
    halo = reach((sigma,), spacing)
    return _hessian(_padded(volume, halo), halo, sigma, spacing)


def reach(scales: Sequence[float], spacing: Spacing) -> tuple[int, int, int]:
    """Voxels along each axis, to either side, that decide a voxel's answer."""
    first, second, third = (max(1, math.ceil(REACH * max(scales) / step)) for step in spacing)
    return first, second, third


def _padded(volume: Tensor, halo: Sequence[int]) -> Tensor:
    """The volume with its border repeated outwards."""
    padding = [side for side in reversed(halo) for _ in range(2)]
    return F.pad(volume[:, None], padding, mode="replicate")[:, 0]


def _hessian(padded: Tensor, halo: Sequence[int], sigma: float, spacing: Spacing) -> Tensor:
    """:func:`hessian` of the inner part of a volume that has a halo at least as wide as the kernels reach."""
    bands = []
    for axis, (step, beside, needed) in enumerate(zip(spacing, halo, reach((sigma,), spacing), strict=True), start=1):
        size = padded.shape[axis] - 2 * beside
        padded = padded.narrow(axis, beside - needed, size + 2 * needed)
        bands.append(_band(derivative_kernels(sigma / step) / np.power(step, [[0.0], [1.0], [2.0]]), size, padded))
    return _second_derivatives(padded, (bands[0], bands[1], bands[2]))


def _band(kernels: NDArray[np.float64], size: int, like: Tensor) -> Tensor:
    """(kernels, size, size + 2 r): the matrices whose product with a padded axis is the correlation with it."""
    count, width = kernels.shape
    table = torch.as_tensor(np.pad(kernels, ((0, 0), (1, 1))), dtype=like.dtype, device=like.device)
    rows = torch.arange(size, device=like.device)[:, None]
    columns = torch.arange(size + width - 1, device=like.device)[None]
    taps = (columns - rows).clamp(-1, width) + 1  # what lies beside the band meets the zeros at the table's ends
    return table[:, taps.flatten()].reshape(count, size, size + width - 1)


def _second_derivatives(padded: Tensor, bands: Bands) -> Tensor:
    across, rows, columns = bands
    smooth, slope, bend = _slices(padded, across)
    planes = [*_rows(smooth, rows), *_rows(slope, rows[:2]), *_rows(bend, rows[:1])]
    orders = (2, 1, 0, 1, 0, 0)
    cc, rc, rr, sc, sr, ss = (plane @ columns[order].T for plane, order in zip(planes, orders, strict=True))
    return torch.stack([ss, sr, sc, rr, rc, cc])


def _slices(x: Tensor, band: Tensor) -> Iterator[Tensor]:
    batch, _, rows, columns = x.shape
    answer = band.flatten(0, 1) @ x.flatten(2)
    return iter(answer.reshape(batch, band.shape[0], -1, rows, columns).unbind(1))


def _rows(x: Tensor, band: Tensor) -> Iterator[Tensor]:
    batch, slices, _, columns = x.shape
    answer = band.flatten(0, 1) @ x
    return iter(answer.reshape(batch, slices, band.shape[0], -1, columns).unbind(2))


def symmetric_eigenvalues(matrices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Eigenvalues of symmetric 3x3 matrices in closed form (Smith, Comm. ACM 4 (1961) 168), largest first.

    Args:
        matrices: (6, ...): the entries 00, 01, 02, 11, 12, 22.

    Returns:
        Three tensors. In float32 they are right to 4e-4 of the matrix's norm (and 1e-11) where two coincide.
    """
    a, d, e, b, f, c = matrices.unbind(0)
    mean = (a + b + c) / 3.0
    a, b, c = a - mean, b - mean, c - mean
    aside = d * d + e * e + f * f
    limits = torch.finfo(a.dtype)
    # Both bounds keep gradients finite: where the matrix is a multiple of unity, and where two eigenvalues coincide.
    radius = torch.sqrt(((a * a + b * b + c * c) / 6.0 + aside / 3.0).clamp(min=limits.tiny**0.6))
    half_determinant = (a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e)) / 2.0
    ratio = half_determinant / radius / radius / radius  # the cube alone would leave float32's range
    angle = torch.acos(ratio.clamp(limits.eps - 1.0, 1.0 - limits.eps)) / 3.0
    largest = 2.0 * radius * torch.cos(angle)
    smallest = 2.0 * radius * torch.cos(angle + 2.0 * math.pi / 3.0)
    return mean + largest, mean - largest - smallest, mean + smallest


def frangi(first: Tensor, second: Tensor, third: Tensor, structure: float = STRUCTURE_HU) -> Tensor:
    """Frangi's measure for bright tubes from the eigenvalues of the Hessian, 0 to 1.

    Args:
        first, second, third: eigenvalues, largest first, multiplied by sigma²: HU.
        structure: HU; the norm of the Hessian above which there is something at all.
    """
    # A bright tube curves down in two directions, more than along itself in either way. Sorted by size this order is
    # that of the magnitudes, or the measure is zero.
    tube = (second < 0) & (first <= -second)
    middle, strongest = second.clamp(max=FLAT_HU), third.clamp(max=FLAT_HU)
    plate = middle / strongest
    blob = first.square() / (middle * strongest)
    norm = first.square() + second.square() + third.square()
    answer = (
        -torch.expm1(plate.square() / (-2.0 * PLATE**2))
        * torch.exp(blob / (-2.0 * BLOB**2))
        * -torch.expm1(norm / (-2.0 * structure**2))
    )
    return answer * tube


def tube_likeness(hu: Tensor, spacing: Spacing, scales: Sequence[float] = SCALES_MM) -> Tensor:
    """The largest answer over the scales, for volumes that fit into memory several times over.

    Args:
        hu: (batch, slices, rows, columns), HU; values beyond ``HU_LIMITS`` are clipped.
        spacing: mm along the three axes.
        scales: sigma, mm.

    Returns:
        The same shape, 0 to 1.
    """
    with torch.autocast(hu.device.type, enabled=False):  # a curvature is a small difference of large numbers
        halo = reach(scales, spacing)
        return _largest(_padded(hu.float().clamp(*HU_LIMITS), halo), halo, spacing, scales)


def _largest(padded: Tensor, halo: Sequence[int], spacing: Spacing, scales: Sequence[float]) -> Tensor:
    def answer(sigma: float) -> Tensor:
        return frangi(*symmetric_eigenvalues(_hessian(padded, halo, sigma, spacing) * sigma**2))

    best = answer(scales[0])
    for sigma in scales[1:]:
        best = torch.maximum(best, answer(sigma))
    return best


@torch.inference_mode()
def vesselness(
    volume: NDArray[np.number],
    spacing: Spacing,
    scales: Sequence[float] = SCALES_MM,
    *,
    tile: int = TILE,
    device: str = "cpu",
) -> NDArray[np.float32]:
    """:func:`tube_likeness` of a whole scan, tile by tile; the tiles leave no seams.

    Args:
        volume: (slices, rows, columns), HU.
        spacing: mm along the three axes.
        scales: sigma, mm.
        tile: voxels of a tile's side; memory grows with its cube (64: 40 MiB; a GPU is faster with 160).
        device: "cpu", "cuda" ...

    Raises:
        ValueError: not a volume, or a spacing or scale that is not positive.
    """
    if volume.ndim != 3 or min(*spacing, *scales) <= 0:
        raise ValueError(
            f"vesselness needs a volume, spacings and scales above 0 mm; got shape {volume.shape}, spacing {spacing}, "
            f"scales {tuple(scales)}"
        )
    halo = reach(scales, spacing)
    result = np.empty(volume.shape, np.float32)
    for start in product(*(range(0, size, tile) for size in volume.shape)):
        inner = tuple(slice(s, min(s + tile, n)) for s, n in zip(start, volume.shape, strict=True))
        around = [
            np.arange(part.start - side, part.stop + side).clip(0, size - 1)
            for part, side, size in zip(inner, halo, volume.shape, strict=True)
        ]
        part = torch.from_numpy(volume[np.ix_(*around)].astype(np.float32)).to(device)
        result[inner] = _largest(part.clamp(*HU_LIMITS)[None], halo, spacing, scales)[0].cpu().numpy()
    return result
