"""The Hessian of a volume at a scale in millimetres, and the eigenvalues of many symmetric matrices at once.

The second derivatives of a Gaussian are separable, and each pass is a product with a band matrix: on tiles of some 64
voxels a matrix product is several times faster than a convolution, on CPUs and GPUs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

REACH = 4.0  # sigmas at which the Gaussian is cut

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
    return inner_hessian(padded(volume, halo), halo, sigma, spacing)


def reach(scales: Sequence[float], spacing: Spacing) -> tuple[int, int, int]:
    """Voxels along each axis, to either side, that decide a voxel's answer."""
    first, second, third = (max(1, math.ceil(REACH * max(scales) / step)) for step in spacing)
    return first, second, third


def padded(volume: Tensor, halo: Sequence[int]) -> Tensor:
    """The volume with its border repeated outwards."""
    padding = [side for side in reversed(halo) for _ in range(2)]
    return F.pad(volume[:, None], padding, mode="replicate")[:, 0]


def inner_hessian(volume: Tensor, halo: Sequence[int], sigma: float, spacing: Spacing) -> Tensor:
    """:func:`hessian` of the inner part of a volume, whose halo is at least as wide as the kernels reach.

    Args:
        volume: with its halo, as by :func:`padded`.
        halo: voxels along each axis, to either side.
        sigma, spacing: as in :func:`hessian`.
    """
    bands = []
    for axis, (step, beside, needed) in enumerate(zip(spacing, halo, reach((sigma,), spacing), strict=True), start=1):
        size = volume.shape[axis] - 2 * beside
        volume = volume.narrow(axis, beside - needed, size + 2 * needed)
        bands.append(_band(derivative_kernels(sigma / step) / np.power(step, [[0.0], [1.0], [2.0]]), size, volume))
    return _second_derivatives(volume, (bands[0], bands[1], bands[2]))


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
