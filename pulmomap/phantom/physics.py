"""What the scanner makes of the tissue: point spread, slice profile, correlated noise, 12-bit HU."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pulmomap.phantom.fields import Field, Grid
from pulmomap.phantom.population import Kernel, Scan

# Correlation length of the noise, mm, and how much of its low frequencies the kernel takes away.
NOISE: dict[Kernel, tuple[float, float]] = {"soft": (1.0, 0.0), "standard": (0.75, 0.8), "lung": (0.5, 0.8)}
# A rectangle of width w and a Gaussian of 0.29 w have the same variance; slice profiles are rounder.
PROFILE = 0.42


def acquire(tissue: Field, grid: Grid, scan: Scan, rng: np.random.Generator, noise: float = 1.0) -> NDArray[np.int16]:
    """A scan of a tissue map.

    Args:
        tissue: HU, (z, y, x).
        grid: its voxels.
        scan: the scanner's setting.
        rng: draws the noise.
        noise: factor on the scan's noise.

    Returns:
        int16 HU in [-1024, 3071].
    """
    sigma = np.array([max(0.3, PROFILE * scan.slice_width), scan.in_plane, scan.in_plane]) / grid.spacing[::-1]
    image = gaussian_filter(tissue, sigma, truncate=3.0)
    image += correlated_noise(grid, scan, rng) * np.float32(noise)
    return np.asarray(np.clip(np.rint(image), -1024, 3071), dtype=np.int16)


def correlated_noise(grid: Grid, scan: Scan, rng: np.random.Generator) -> Field:
    """Noise with the kernel's texture and the scan's standard deviation, HU."""
    length, low_cut = NOISE[scan.kernel]
    sigma = np.array([0.5, length, length]) / grid.spacing[::-1]
    noise = gaussian_filter(rng.standard_normal(grid.shape, dtype=np.float32), sigma, truncate=2.5)
    if low_cut:
        noise -= low_cut * gaussian_filter(noise, sigma * (0.0, 2.2, 2.2), truncate=2.0)
    return np.asarray(noise * np.float32(scan.noise / noise[::7, ::5, ::5].std()))
