"""Vesselness: how much a voxel looks like the inside of a bright tube, at the calibres of lung vessels.

Frangi et al., "Multiscale vessel enhancement filtering", MICCAI 1998, with scales in millimetres and a structure
threshold in HU instead of one taken from the image: a voxel's answer depends on its surroundings and on nothing else in
the scan, so a tile gives what the whole volume gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pulmomap.imaging.hessian import Spacing, inner_hessian, padded, reach, symmetric_eigenvalues

SCALES_MM = (0.7, 1.2, 2.0, 3.0)  # sigma; a tube answers most strongly where sigma is about 0.7 of its radius
PLATE = 0.5  # alpha: sheets such as fissures and the pleura
BLOB = 0.5  # beta: nodules
STRUCTURE_HU = 100.0  # c: noise of 30 HU stays below a third of it, a vessel in the lung lies far above
FLAT_HU = -1e-4  # a curvature below this is none; keeps ratios and their gradients finite
TILE = 64  # voxels; what a tile needs stays in the cache of a core
HU_LIMITS = (-1000.0, 600.0)  # beyond lies what is no vessel: metal, cortical bone


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
        return _largest(padded(hu.float().clamp(*HU_LIMITS), halo), halo, spacing, scales)


def _largest(volume: Tensor, halo: Sequence[int], spacing: Spacing, scales: Sequence[float]) -> Tensor:
    def answer(sigma: float) -> Tensor:
        return frangi(*symmetric_eigenvalues(inner_hessian(volume, halo, sigma, spacing) * sigma**2))

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
