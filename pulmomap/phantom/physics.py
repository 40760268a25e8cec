"""What the scanner makes of the tissue: point spread, slice profile, correlated noise, streaks, 12-bit HU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d, shift

from pulmomap.phantom.fields import Field, Grid, Point, slabs
from pulmomap.phantom.population import Kernel, Scan

# Correlation length of the noise, mm, and how much of its low frequencies the kernel takes away.
NOISE: dict[Kernel, tuple[float, float]] = {"soft": (1.0, 0.0), "standard": (0.75, 0.8), "lung": (0.5, 0.8)}
# A rectangle of width w and a Gaussian of 0.29 w have the same variance; slice profiles are rounder.
PROFILE = 0.42
# Noise grows with the water on the ray's way, halved by tube current modulation: 1/mm of equivalent diameter.
ATTENUATION = 0.005


@dataclass(frozen=True)
class Streaks:
    """Dark and bright rays from something dense (contrast in the superior cava, a pacemaker's lead).

    Attributes:
        points: (n, 3) LPS mm, one for each 10 mm of height or less.
        strength: HU at 20 mm.
    """

    points: Point
    strength: float


def blur(tissue: Field, grid: Grid, scan: Scan) -> Field:
    """Point spread and slice profile of a tissue map, HU, (z, y, x)."""
    sigma = np.array([max(0.3, PROFILE * scan.slice_width), scan.in_plane, scan.in_plane]) / grid.spacing[::-1]
    return _smoothed(tissue, sigma, 3.0, "reflect")


def _smoothed(image: Field, sigma: Point, truncate: float, mode: Literal["reflect", "wrap"]) -> Field:
    """``scipy.ndimage.gaussian_filter``, a few slices at a time. ``sigma``: voxels (z, y, x)."""
    result, count, reach = np.empty_like(image), len(image), int(truncate * sigma[0] + 0.5)
    for part in slabs(count):
        around = np.arange(part.start - reach, part.stop + reach)
        # Slices beyond the volume: its own, mirrored at the border or from the other end.
        around = around % count if mode == "wrap" else np.abs((around + count) % (2 * count) - count + 0.5).astype(int)
        block = gaussian_filter1d(image[around], sigma[0], axis=0, truncate=truncate)[reach : reach + len(result[part])]
        gaussian_filter(block, (0.0, sigma[1], sigma[2]), truncate=truncate, mode=mode, output=result[part])
    return result


def digitise(image: Field) -> NDArray[np.int16]:
    """int16 HU in [-1024, 3071]."""
    return np.asarray(np.clip(np.rint(image), -1024, 3071), dtype=np.int16)


class NoiseField:
    """Noise of one scanner setting on one grid. It is periodic: a shifted copy is as good as a new draw."""

    def __init__(self, tissue: Field, grid: Grid, scan: Scan, rng: np.random.Generator) -> None:
        self._rng = rng
        self._noise = correlated_noise(grid, scan, rng)
        diameter = _equivalent_diameter(tissue, grid)
        self._starved = _starvation(diameter, grid, scan, rng)
        self._per_slice, self._in_plane = _loudness(diameter, grid)

    def scanned(self, image: Field, factor: float = 1.0) -> NDArray[np.int16]:
        """An image with one scan's noise, int16 HU, (z, y, x); ``factor`` on the noise's standard deviation."""
        count, *offsets = (int(self._rng.integers(size // 4, 3 * size // 4 + 1)) for size in self._noise.shape)
        starved = np.roll(self._starved, offsets[0], axis=1) * np.float32(factor)
        loudness = self._per_slice[:, None, None] * np.float32(factor)
        result = np.empty(image.shape, dtype=np.int16)
        for part in slabs(len(image)):
            slices = (np.arange(part.start, part.stop) - count) % len(image)
            noise = np.roll(self._noise[slices], offsets, axis=(1, 2))
            noise *= loudness[part]
            noise *= self._in_plane
            noise += starved[part]
            noise += image[part]
            result[part] = digitise(noise)
        return result


def correlated_noise(grid: Grid, scan: Scan, rng: np.random.Generator) -> Field:
    """Periodic noise with the kernel's texture and the scan's standard deviation, HU."""
    length, low_cut = NOISE[scan.kernel]
    sigma = np.array([0.5, length, length]) / grid.spacing[::-1]
    noise = _smoothed(rng.standard_normal(grid.shape, dtype=np.float32), sigma, 2.5, "wrap")
    for part in slabs(len(noise)) if low_cut else ():
        coarse = gaussian_filter(noise[part], sigma * (0.0, 2.2, 2.2), truncate=2.0, mode="wrap")
        noise[part] -= low_cut * coarse
    noise *= np.float32(scan.noise / noise[::7, ::5, ::5].std())
    return noise


def _equivalent_diameter(tissue: Field, grid: Grid) -> NDArray[np.float64]:
    """Diameter of the water cylinder that weighs as much, of each slice, mm."""
    water = np.clip(tissue[:, ::4, ::4] + 1000.0, 0.0, 2500.0).sum(axis=(1, 2), dtype=np.float64) / 1000.0
    return np.asarray(2.0 * np.sqrt(water * 16 * grid.spacing[0] * grid.spacing[1] / np.pi))


def _loudness(diameter: NDArray[np.float64], grid: Grid) -> tuple[Field, Field]:
    """Factor on the noise of each slice (z,), and in the plane (y, x): louder in thick slices and in the middle."""
    per_slice = np.exp(ATTENUATION * (diameter - np.median(diameter)))
    y, x = (grid.centres(axis) for axis in (1, 2))
    apart = np.hypot(*np.meshgrid(y, x, indexing="ij")) / (0.5 * np.median(diameter) + 1.0)
    return per_slice.astype(np.float32), (1.15 - 0.25 * np.clip(apart, 0.0, 1.5) ** 2).astype(np.float32)


def _starvation(diameter: NDArray[np.float64], grid: Grid, scan: Scan, rng: np.random.Generator) -> Field:
    """Streaks from side to side where few photons pass the shoulders, HU, (z, y, 1)."""
    excess = np.clip(diameter / np.median(diameter) - 1.05, 0.0, 0.5)
    lines = rng.standard_normal((*grid.shape[:2], 1), dtype=np.float32)
    lines = gaussian_filter(lines, (0.4 / grid.spacing[2], 0.8 / grid.spacing[1], 0))
    lines *= np.float32(scan.noise * 2.0 / max(float(lines.std()), 1e-6))
    return np.asarray(lines * excess[:, None, None].astype(np.float32))


def add_streaks(image: Field, grid: Grid, streaks: Streaks, rng: np.random.Generator, reach: float = 80.0) -> None:
    """Add the streaks to an image, in place."""
    order = np.argsort(streaks.points[:, 2])
    heights, points = streaks.points[order, 2], streaks.points[order]
    rays = gaussian_filter(rng.standard_normal((len(heights) + 4, 360)), (0.7, 3.0), mode="wrap")
    rays /= rays.std()
    y_all, x_all = grid.centres(1), grid.centres(2)
    for index, z in enumerate(grid.centres(0)):
        if not heights[0] <= z <= heights[-1]:
            continue
        x0, y0 = np.interp(z, heights, points[:, 0]), np.interp(z, heights, points[:, 1])
        rows, columns = np.flatnonzero(np.abs(y_all - y0) < reach), np.flatnonzero(np.abs(x_all - x0) < reach)
        if len(rows) == 0 or len(columns) == 0:
            continue
        dy, dx = np.meshgrid(y_all[rows] - y0, x_all[columns] - x0, indexing="ij")
        distance = np.hypot(dx, dy)
        pattern = rays[int(np.interp(z, heights, np.arange(len(heights))))]
        angle = (np.degrees(np.arctan2(dy, dx)) + 360.0) % 360.0
        ray = np.interp(angle, np.arange(360), pattern, period=360)
        fall = np.clip(1.0 - distance / reach, 0.0, 1.0) * 20.0 / np.maximum(distance, 12.0)
        image[index, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += (streaks.strength * ray * fall).astype(
            np.float32
        )


def beat(image: Field, heart: tuple[tuple[slice, slice, slice], Field], grid: Grid, rng: np.random.Generator) -> None:
    """Double contours at the heart, as without ECG gating: two phases averaged, in place.

    ``heart`` is a box of voxels and how much of each moves.
    """
    box, share = heart
    amount = rng.uniform(0.0, 5.0) * np.array([0.3, 0.6, 0.7]) / grid.spacing[::-1]
    moved = shift(image[box], amount * rng.choice([-1.0, 1.0], 3), order=1, mode="nearest")
    image[box] += 0.5 * share * (moved - image[box])


def edge_response(scan: Scan) -> float:
    """Distance over which an in-plane edge rises from 10 to 90 %, mm, of a Gaussian point spread."""
    return 2.563 * scan.in_plane


def noise_power(noise: NDArray[np.floating], spacing: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Radial in-plane noise power spectrum.

    Args:
        noise: (n, size, size) patches without structure, HU.
        spacing: mm.

    Returns:
        Frequencies, 1/mm, and power, HU^2 mm^2, averaged over patches and directions.
    """
    size = noise.shape[-1]
    patches = noise - noise.mean(axis=(1, 2), keepdims=True)
    window = np.outer(np.hanning(size), np.hanning(size))
    power = (np.abs(np.fft.fft2(patches * window)) ** 2).mean(axis=0) * spacing**2 / (window**2).sum()
    frequency = np.fft.fftfreq(size, spacing)
    radius = np.hypot(*np.meshgrid(frequency, frequency, indexing="ij"))
    edges = np.linspace(0.0, 0.5 / spacing, size // 2 + 1)
    which = np.digitize(radius.ravel(), edges) - 1
    inside = which < len(edges) - 1
    count = np.bincount(which[inside], minlength=len(edges) - 1)
    total = np.bincount(which[inside], power.ravel()[inside], minlength=len(edges) - 1)
    return (edges[1:] + edges[:-1]) / 2, gaussian_filter1d(total / np.maximum(count, 1), 0.5)
