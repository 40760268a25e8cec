"""Random changes of a crop: the intensity gap between phantom and scanner, thick slices, changes of pose and size.

No flips, except in the published training of the synthesiser: the left lung is not a mirrored right lung, and arteries
and veins are told apart by their sides.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional as F

from pulmomap.imaging.thick_slices import slab_weights
from training.recipe import Augmentation

Floats = NDArray[np.float32]


def degrade(hu: Floats, rng: np.random.Generator, settings: Augmentation) -> Floats:
    """Change an input as another scanner would: kernel, noise, HU offset and scale.

    Args:
        hu: (slices, rows, columns), HU. Not changed in place.
        rng: decides everything; the same state gives the same result.
        settings: ranges.
    """
    changed = hu
    if rng.random() < 0.5 and settings.blur:
        changed = gaussian_filter(changed, rng.uniform(0.0, settings.blur), truncate=2.5)
    if rng.random() < 0.75 and settings.noise:
        changed = changed + _noise(hu.shape, rng, settings.noise)
    gain = 1.0 + rng.uniform(-settings.gain, settings.gain)
    shift = rng.uniform(-settings.shift, settings.shift)
    return np.asarray(changed * gain + shift, dtype=np.float32)


def _noise(shape: tuple[int, ...], rng: np.random.Generator, largest: float) -> Floats:
    # CT noise is correlated over about a voxel by the kernel and by resampling to 1 mm; the filter's loss of variance
    # is given back so that the settings speak of the noise a person measures.
    white = rng.standard_normal(shape, dtype=np.float32)
    sigma = rng.uniform(0.0, 0.8)
    noise = white if sigma < 0.3 else gaussian_filter(white, sigma, truncate=2.5)
    return np.asarray(noise * (rng.uniform(0.0, largest) / max(float(noise.std()), 1e-6)), dtype=np.float32)


def slabs(size: int, rng: np.random.Generator, settings: Augmentation) -> Floats | None:
    """Draw what thick slices, brought back onto the thin ones as the application does it, take from the thin ones.

    Returns:
        (``size``, ``size``) weights along the slices, rows sum to one; None where the slices stay thin. Nothing is
        drawn from ``rng`` where ``settings.thick`` is 0.
    """
    if not settings.thick or rng.random() >= settings.thick:
        return None
    thickness = rng.uniform(1.0, min(settings.thickness, size / 2))
    first = (thickness - 1) / 2 + rng.uniform(0.0, min(thickness, size - thickness))
    centres = np.arange(first, size - 0.5 - thickness / 2 + 1e-9, thickness, dtype=np.float64)
    back = np.array([np.interp(np.arange(size), centres, one) for one in np.eye(len(centres))]).T
    return np.asarray(back @ slab_weights(centres, thickness, size), dtype=np.float32)


def mirror(crops: Tensor, rng: np.random.Generator, share: float) -> Tensor:
    """Mirror rows and columns (the last two axes), each with probability ``share``; 0 draws nothing from ``rng``."""
    axes = [axis for axis in (-2, -1) if share and rng.random() < share]
    return crops.flip(axes) if axes else crops


def draw_affine(sizes: tuple[int, ...], rng: np.random.Generator, settings: Augmentation) -> Tensor:
    """Draw a small rotation about every axis with one scale per axis, in the form ``grid_sample`` wants.

    Args:
        sizes: of the 2 or 3 spatial axes.

    Returns:
        (dimensions, dimensions + 1) matrix in normalised (column, row[, slice]) coordinates.
    """
    dimensions = len(sizes)
    matrix = np.diag(1.0 + rng.uniform(-settings.scale, settings.scale, dimensions))
    for first in range(dimensions):
        for second in range(first + 1, dimensions):
            angle = np.deg2rad(rng.uniform(-settings.angle, settings.angle))
            turn = np.eye(dimensions)
            turn[[first, second], [first, second]] = np.cos(angle)
            turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
            matrix = turn @ matrix
    half = np.asarray(sizes[::-1], dtype=float)  # grid_sample counts axes from the last
    normalised = matrix * half[None, :] / half[:, None]
    return torch.from_numpy(np.concatenate([normalised, np.zeros((dimensions, 1))], axis=1)).float()


def warp(crop: Tensor, affine: Tensor, *, labels: bool = False) -> Tensor:
    """Resample a crop of shape (channels, *spatial) by a matrix of :func:`draw_affine`; the border is repeated."""
    batch = crop[None].float()
    grid = F.affine_grid(affine[None], list(batch.shape), align_corners=False)
    mode = "nearest" if labels else "bilinear"
    return F.grid_sample(batch, grid, mode=mode, padding_mode="border", align_corners=False)[0].to(crop.dtype)
