"""Vessels onto voxels: how much of each voxel a tree of round cones fills."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pulmomap.phantom.fields import Grid
from pulmomap.phantom.growth import Tree

Radii = NDArray[np.float64]
# Radius classes, mm: within one, all sample points share one set of voxel offsets.
CLASSES = (0.0, 0.8, 1.2, 1.8, 2.6, 3.6, 5.0, 7.0, 9.0, 12.0, 16.0, 22.0, 40.0)
FILLED = 0.4  # of a voxel, from where on it is called vessel: thin vessels never fill half of one
CHUNK = 60_000  # pairs of a point and a voxel at a time: what stays in the processor's cache


def occupancy(tree: Tree, radii: Radii, grid: Grid) -> NDArray[np.float32]:
    """Fraction of each voxel inside the tree, 0..1, shape ``grid.shape``.

    Edges are soft over one voxel; a vessel thinner than a voxel fills it by the area of its cross-section.
    """
    filled = np.zeros(grid.shape, dtype=np.float32)
    for centres, radius, largest in _points(tree, radii, grid):
        _fill(filled, centres, radius, largest, grid)
    return filled


def vessel_mask(tree: Tree, radii: Radii, grid: Grid, share: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The voxels that are called vessel, shape ``grid.shape``.

    A voxel is one where its vessel fills it to ``FILLED``, or where it holds the axis of a vessel whose cross-section
    is that share of the voxel's face: a vessel that lies between two voxels fills neither, and would fall to pieces.

    Args:
        share: :func:`occupancy` of the tree.
    """
    mask = share >= FILLED
    face = float(grid.spacing.mean()) ** 2
    size = np.array(grid.shape[::-1])
    for centres, radius, _ in _points(tree, radii, grid):
        voxels = np.rint((centres - grid.origin) / grid.spacing).astype(int)
        wide = np.pi * radius**2 >= FILLED * face
        column, row, slice_ = voxels[wide & ((voxels >= 0) & (voxels < size)).all(axis=1)].T
        mask[slice_, row, column] = True
    return mask


def _points(tree: Tree, radii: Radii, grid: Grid) -> Iterator[tuple[Radii, Radii, float]]:
    """Points along the tree, LPS mm, and their radii, by classes of radius; the largest radius of each class."""
    points, parents = tree.arrays()
    links = np.flatnonzero(parents >= 0)
    start, end = points[parents[links]], points[links]
    # A thin branch leaves a thick parent with its own radius, not with a cone of the parent's.
    from_radius, to_radius = np.minimum(radii[parents[links]], 1.25 * radii[links]), radii[links]
    mean = (from_radius + to_radius) / 2
    for low, high in pairwise(CLASSES):
        chosen = (mean > low) & (mean <= high)
        if chosen.any():
            yield *_along(start[chosen], end[chosen], from_radius[chosen], to_radius[chosen], low, grid), high


def _along(
    start: Radii, end: Radii, from_radius: Radii, to_radius: Radii, low: float, grid: Grid
) -> tuple[Radii, Radii]:
    """Points and radii along the links, dense enough that their balls make a smooth tube."""
    every = max(0.3 * float(grid.spacing.mean()), 0.35 * low)
    counts = np.maximum(1, np.ceil(np.linalg.norm(end - start, axis=1) / every).astype(int))
    link = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(link)) - np.repeat(np.cumsum(counts) - counts, counts)
    t = (number + 0.5) / counts[link]
    centres = start[link] * (1 - t)[:, None] + end[link] * t[:, None]
    return centres, from_radius[link] * (1 - t) + to_radius[link] * t


def _fill(filled: NDArray[np.float32], centres: Radii, radius: Radii, largest: float, grid: Grid) -> None:
    """Raise the voxels around each centre to the share that its ball fills."""
    voxel = float(grid.spacing.mean())
    reach = np.ceil((largest + voxel) / grid.spacing).astype(int)
    axes = [np.arange(-r, r + 1) for r in reach]
    offsets = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    offsets = offsets[np.linalg.norm(offsets * grid.spacing, axis=1) <= largest + 1.5 * voxel]
    index = (centres - grid.origin) / grid.spacing
    nearest, size = np.rint(index), np.array(grid.shape[::-1])
    flat, many = filled.reshape(-1), max(1, CHUNK // len(offsets))
    for first in range(0, len(centres), many):
        part = slice(first, first + many)
        centre, around, ball = index[part, None, :], nearest[part, None, :], radius[part, None]
        x, y, z = (
            ((around[..., axis] + offsets[:, axis] - centre[..., axis]) * grid.spacing[axis]) ** 2 for axis in range(3)
        )
        share = np.clip((ball - np.sqrt(x + y + z)) / voxel + 0.5, 0.0, 1.0) * _area_kept(ball / voxel)
        ball_of, offset_of = np.nonzero(share)
        voxels = nearest[part][ball_of].astype(int) + offsets[offset_of]
        inside = ((voxels >= 0) & (voxels < size)).all(axis=1)
        column, row, slice_ = voxels[inside].T
        place = (slice_ * size[1] + row) * size[0] + column
        np.maximum.at(flat, place, share[ball_of, offset_of][inside].astype(np.float32))


def _area_kept(radius: Radii) -> Radii:
    """Cross-section of a vessel over that of its soft-edged picture; radius in voxels.

    A disc whose edge falls off over one voxel covers pi (r^2 + 1/12), or pi (r + 1/2)^3 / 3 where the fall-off reaches
    the centre (r < 1/2): without this factor thin vessels would hold up to twice their blood.
    """
    thin, thick = 3 * radius**2 / (radius + 0.5) ** 3, radius**2 / (radius**2 + 1 / 12)
    return np.where(radius < 0.5, thin, thick)
