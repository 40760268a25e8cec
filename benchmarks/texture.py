"""Noise, edges and local texture of a chest CT, measured without knowing what it shows: the same way on phantoms and
on real scans."""

from __future__ import annotations

import cc3d
import edt
import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude, uniform_filter

from pulmomap.phantom.physics import noise_power

Floats = NDArray[np.float64]
PATCH = 24  # voxels across a patch for the noise power
BLOCK = 16  # voxels across a block for the lung's texture
DEPTHS = ((4, 8), (8, 15), (15, 25), (25, 40))  # mm from the pleura
BRIGHT = 60.0  # HU above the lung, after smoothing by 1 mm
LARGEST = 300  # mm2; what is larger is no cross-section of a vessel
CLOSED = 6.0  # mm; narrower gaps in a mask of the lungs are vessels


def noise(volume: Volume) -> tuple[float, float]:
    """Standard deviation (HU) and mean frequency (1/mm) of the noise in soft tissue without structure."""
    hu = np.asarray(volume.array, dtype=np.float32)
    smooth = uniform_filter(hu, (0, 5, 5))
    patches, structure = [], []
    for plane, even in zip(hu[::4], smooth[::4], strict=True):
        for row in range(0, plane.shape[0] - PATCH, PATCH // 2):
            for column in range(0, plane.shape[1] - PATCH, PATCH // 2):
                part = np.s_[row : row + PATCH, column : column + PATCH]
                if 0 < plane[part].mean() < 80 and plane[part].min() > -90:
                    patches.append(plane[part])
                    structure.append(even[part].std())
    chosen = np.argsort(structure)[:200]
    flat = np.array(patches)[chosen]
    frequency, power = noise_power(flat, volume.spacing[1])
    weight = power * frequency
    return float(np.median(flat.std(axis=(1, 2)))), float((weight * frequency).sum() / weight.sum())


def edge(volume: Volume) -> float:
    """In-plane distance over which the edge from air to body rises from 10 to 90 %, mm; median over the front."""
    hu = np.asarray(volume.array, dtype=np.float32)
    middle = hu.shape[2] // 2
    rises = []
    for plane in hu[hu.shape[0] // 4 : 3 * hu.shape[0] // 4 : 3]:
        for column in range(middle - 30, middle + 30, 4):
            line = plane[:, column]
            start = int(np.argmax(line > -400))
            part = line[max(start - 8, 0) : start + 9]
            if len(part) == 17 and part[0] < -900:
                share = (part - part[0]) / (np.median(part[11:15]) - part[0])
                fine = np.interp(np.arange(0, 16, 0.05), np.arange(17), share)
                rises.append((np.argmax(fine > 0.9) - np.argmax(fine > 0.1)) * 0.05 * volume.spacing[1])
    return float(np.median(rises))


def lung_blocks(volume: Volume, lungs: Volume) -> Floats:
    """Features (n, 8) of blocks of lung at 1 mm: HU level and spread, gradient, share of dense and of empty voxels."""
    hu, inside = np.asarray(volume.array, dtype=np.float32), np.asarray(lungs.array) > 0
    gradient = gaussian_gradient_magnitude(hu, 1.0)
    fine = hu - gaussian_filter(hu, 1.0)
    rows = []
    for z in range(0, hu.shape[0] - BLOCK, BLOCK):
        for y in range(0, hu.shape[1] - BLOCK, BLOCK):
            for x in range(0, hu.shape[2] - BLOCK, BLOCK):
                part = np.s_[z : z + BLOCK, y : y + BLOCK, x : x + BLOCK]
                if inside[part].mean() > 0.98:
                    block = hu[part]
                    rows.append(
                        [
                            *np.percentile(block, [5, 50, 95]),
                            block.std(),
                            gradient[part].mean(),
                            gradient[part].std(),
                            fine[part].std(),
                            (block > -500).mean(),
                        ]
                    )
    return np.array(rows)


def bright_points(volume: Volume, lungs: Volume) -> dict[str, float]:
    """How many bright points and lines a cm2 of slice shows, by depth below the pleura: cross-sections of vessels.

    Args:
        volume: HU at 1 mm.
        lungs: on its grid; vessels may be missing.
    """
    hu = gaussian_filter(np.asarray(volume.array, dtype=np.float32), 1.0)
    inside = np.asarray(lungs.array) > 0
    grown = edt.edt(~inside) <= CLOSED
    depth = edt.edt(grown, black_border=True) - CLOSED
    level = np.median(np.asarray(volume.array)[inside & (depth > DEPTHS[0][0])])
    found, area = np.zeros(len(DEPTHS)), np.zeros(len(DEPTHS))
    for plane, deep in zip(hu[::5], depth[::5], strict=True):
        parts = cc3d.connected_components((plane > level + BRIGHT) & (deep > DEPTHS[0][0] - 1), connectivity=8)
        parts = cc3d.statistics(parts)
        size = parts["voxel_counts"][1:]
        centres = np.rint(parts["centroids"][1:][(size > 1) & (size < LARGEST)]).astype(int)
        depths = deep[centres[:, 0], centres[:, 1]]
        for number, (low, high) in enumerate(DEPTHS):
            found[number] += ((depths > low) & (depths <= high)).sum()
            area[number] += ((deep > low) & (deep <= high)).sum()
    shares = 100.0 * found / np.maximum(area, 1)
    return {f"points a cm2, {low} to {high} mm deep": float(v) for (low, high), v in zip(DEPTHS, shares, strict=True)}


def separability(first: list[Floats], second: list[Floats]) -> float:
    """How well a linear discriminant tells the blocks of one kind of scan from the other's: area under the ROC curve.

    Each pair of one scan of either kind is left out in turn and judged by what the others taught. One half means that
    they cannot be told apart.
    """
    areas = []
    for i, left in enumerate(first):
        for j, right in enumerate(second):
            a = np.concatenate([rows for n, rows in enumerate(first) if n != i])
            b = np.concatenate([rows for n, rows in enumerate(second) if n != j])
            spread = np.concatenate([a, b]).std(axis=0) + 1e-9
            within = np.cov((a / spread).T) + np.cov((b / spread).T)
            direction = np.linalg.solve(within + 0.01 * np.eye(len(within)), ((b.mean(0) - a.mean(0)) / spread))
            scores = [(rows / spread) @ direction for rows in (left, right)]
            both = np.concatenate(scores)
            ranks = both.argsort().argsort() + 1.0
            n, m = len(scores[0]), len(scores[1])
            areas.append((ranks[n:].sum() - m * (m + 1) / 2) / (n * m))
    return float(np.mean(areas))
