"""Resampling between grids whose axes are not parallel; conventions as in :mod:`pulmomap.imaging.resampling`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from highdicom import Volume, VolumeGeometry
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from pulmomap.imaging.separable import each

Geometry: TypeAlias = Volume | VolumeGeometry


def interpolate_turned(volume: Volume, reference: Geometry, fill: float) -> NDArray[np.float32]:
    """Trilinear between grids turned against each other, a slice at a time; ``fill`` outside the field of view."""
    source = volume.array.astype(np.float32, copy=False)
    array = np.empty(reference.spatial_shape, np.float32)

    def one(k: int) -> None:
        index = _slice_positions(volume, reference, k)
        map_coordinates(source, index, output=array[k], order=1, mode="nearest")
        array[k][~_in_view(index, source.shape)] = fill

    each(one, range(len(array)))
    return array


def pick_turned(volume: Volume, reference: Geometry) -> NDArray[Any]:
    """Nearest neighbour between grids that are turned against each other; 0 outside the field of view."""
    labels = np.zeros(reference.spatial_shape, volume.dtype)

    def one(k: int) -> None:
        index = _slice_positions(volume, reference, k)
        inside = _in_view(index, volume.spatial_shape)
        nearest = np.floor(index[:, inside] + 0.5).astype(np.intp)
        labels[k][inside] = volume.array[tuple(np.minimum(nearest, np.array(volume.spatial_shape)[:, None] - 1))]

    each(one, range(len(labels)))
    return labels


def _slice_positions(volume: Volume, reference: Geometry, k: int) -> NDArray[np.float64]:
    """Source index of every voxel of one reference slice, shape (3, rows, columns)."""
    to_source = volume.inverse_affine @ reference.affine
    rows, columns = (np.arange(n) for n in reference.spatial_shape[1:])
    across, down, right, start = (to_source[:3, axis, None, None] for axis in range(4))
    return np.asarray(start + across * k + down * rows[:, None] + right * columns)


def _in_view(index: NDArray[np.float64], shape: Iterable[int]) -> NDArray[np.bool_]:
    """Whether source indices (3, ...) lie in the field of view."""
    last = np.asarray(tuple(shape), dtype=np.float64)[:, None, None] - 0.5
    return np.asarray(((index >= -0.5) & (index <= last)).all(axis=0))
