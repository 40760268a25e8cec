"""Resampling between voxel grids, in the patient frame (LPS, mm).

Conventions, everywhere in this package:

* an index names a voxel's centre: voxel ``i`` spans ``i - 0.5`` to ``i + 0.5``, so the field of view of ``n`` voxels is
  ``-0.5`` to ``n - 0.5`` (DICOM PS3.3 C.7.6.2.1.1: Image Position gives the centre of the first voxel);
* inside the field of view but beyond the outermost centres (the outer half voxel) the outermost value holds;
  outside the field of view there is ``fill``;
* grids whose axes are parallel are resampled one axis after the other, which is the trilinear result exactly, and an
  axis whose positions agree is not interpolated at all. So equal geometries, up to permutation and flips, give back the
  very same voxels;
* all other pairs of grids are interpolated in three dimensions at once, by SciPy.

Nothing is low-pass filtered unless ``antialias`` is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from typing import Any, TypeAlias

import numpy as np
from highdicom import Volume, VolumeGeometry
from numpy.typing import NDArray

from pulmomap.imaging.oblique import Geometry, interpolate_turned, pick_turned
from pulmomap.imaging.separable import apply_separable, axis_weights, each

Floats: TypeAlias = NDArray[np.float64]

# LPS axis that each axis of a canonical volume runs along: slices to the head, rows to the back, columns to the left.
CANONICAL_AXES = (2, 1, 0)
# Positions are rounded to this many decimals of a voxel: DICOM's decimal strings carry no more, and it keeps
# the round-off of chained affines from turning an identity into an interpolation.
POSITION_DECIMALS = 5


def canonical(volume: Volume) -> Volume:
    """The volume with its axes permuted and flipped to the closest "HPL" orientation; voxels are not touched.

    Axis 0 runs to the head (LPS z+), axis 1 to the back (y+), axis 2 to the patient's left (x+). The permutation is the
    one with the greatest sum of direction cosines, so it does not depend on the order in which the axes came.

    Args:
        volume: any layout, oblique ones included.

    Returns:
        The same voxels (a view where possible) with the affine that belongs to them.

    Raises:
        ValueError: the volume is not in the patient coordinate system.
    """
    if volume.coordinate_system.value != "PATIENT":
        raise ValueError(
            f"a volume in the {volume.coordinate_system.value} coordinate system has no patient orientation"
        )
    cosines = np.asarray(volume.direction)  # column j: direction of index axis j
    order = max(
        permutations(range(3)), key=lambda axes: sum(abs(cosines[CANONICAL_AXES[k], axes[k]]) for k in range(3))
    )
    flips = [axis for k, axis in enumerate(order) if cosines[CANONICAL_AXES[k], axis] < 0]
    turned = volume.flip_spatial(flips) if flips else volume
    return turned.permute_spatial_axes(order)


def to_grid(
    volume: Volume, spacing: tuple[float, float, float], fill: float = -1000.0, *, antialias: bool = False
) -> Volume:
    """The volume in canonical orientation on a grid of the given spacing that covers its whole field of view.

    The new grid shares the field of view's centre and has the smallest number of voxels that covers it, so every new
    voxel centre lies inside the old field of view.

    Args:
        volume: any layout; oblique volumes keep their obliqueness.
        spacing: mm along the canonical axes (slices, rows, columns).
        fill: HU outside the field of view (never reached by this grid's own centres; kept for the contract).
        antialias: along axes where the new spacing is coarser, take the mean over the new voxel instead of the value at
            its centre.

    Returns:
        float32, same frame of reference.
    """
    if any(step <= 0 for step in spacing):
        raise ValueError(f"spacing must be positive, not {spacing} mm")
    source = canonical(volume)
    old = np.asarray(source.spacing)
    new = np.asarray(spacing, dtype=np.float64)
    size = np.ceil(np.round(np.asarray(source.spatial_shape) * old / new, POSITION_DECIMALS)).astype(int)
    first = (np.asarray(source.spatial_shape) - 1) / 2 - (size - 1) / 2 * new / old
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(source.direction) * new
    affine[:3, 3] = source.affine[:3, :3] @ first + source.affine[:3, 3]
    grid = VolumeGeometry(affine, tuple(size.tolist()), "PATIENT", volume.frame_of_reference_uid)
    return _interpolate(source, grid, fill, antialias)


def resample_image(volume: Volume, reference: Geometry, fill: float = -1000.0) -> Volume:
    """The image on the reference's grid, trilinear.

    Args:
        volume: the image to resample.
        reference: a volume or geometry in the same frame of reference.
        fill: HU where the reference lies outside the image's field of view.

    Returns:
        float32 on exactly the reference's grid (shape and affine are the reference's own).

    Raises:
        ValueError: the two are in different frames of reference or coordinate systems.
    """
    _check_same_frame(volume, reference)
    return _interpolate(volume, reference, fill, antialias=False)


def resample_labels(volume: Volume, reference: Geometry) -> Volume:
    """The label map on the reference's grid, nearest neighbour; 0 outside the field of view.

    Args:
        volume: labels of any integer or boolean type.
        reference: a volume or geometry in the same frame of reference.

    Returns:
        The same type on exactly the reference's grid.

    Raises:
        ValueError: the two are in different frames of reference or coordinate systems.
    """
    _check_same_frame(volume, reference)
    to_source = volume.inverse_affine @ reference.affine
    order = _parallel_axes(to_source)
    if order is None:
        return _on(reference, pick_turned(volume, reference))
    source = volume.array.transpose(order)
    picks, inside = [], []
    for axis, positions in enumerate(_positions(to_source, order, reference.spatial_shape)):
        nearest = np.floor(positions + 0.5).astype(np.intp)
        inside.append((nearest >= 0) & (nearest < source.shape[axis]))
        picks.append(np.clip(nearest, 0, source.shape[axis] - 1))
    labels = np.zeros(reference.spatial_shape, volume.dtype)
    rows = np.ix_(inside[1], inside[2])
    take = np.ix_(picks[1][inside[1]], picks[2][inside[2]])

    def fill_slice(k: int) -> None:
        labels[k][rows] = source[picks[0][k]][take]

    each(fill_slice, np.flatnonzero(inside[0]).tolist())
    return _on(reference, labels)


def _check_same_frame(volume: Volume, reference: Geometry) -> None:
    if volume.coordinate_system != reference.coordinate_system:
        raise ValueError(
            f"cannot resample from the {volume.coordinate_system.value} to the "
            f"{reference.coordinate_system.value} coordinate system"
        )
    ours, theirs = volume.frame_of_reference_uid, reference.frame_of_reference_uid
    if ours is not None and theirs is not None and str(ours) != str(theirs):
        raise ValueError(f"cannot resample from frame of reference {ours} to {theirs}: register them first")


def _parallel_axes(to_source: Floats) -> tuple[int, ...] | None:
    """For each reference axis the source axis it runs along; None if the grids are turned against each other."""
    linear = to_source[:3, :3]
    order = np.abs(linear).argmax(axis=0)
    aside = np.abs(linear)
    aside[order, np.arange(3)] = 0
    if len(set(order.tolist())) < 3 or aside.max() > 10.0**-POSITION_DECIMALS:
        return None
    return tuple(order.tolist())


def _positions(to_source: Floats, order: tuple[int, ...], shape: Iterable[int]) -> list[Floats]:
    """Source index of every reference index, axis by axis."""
    return [
        np.round(to_source[source, axis] * np.arange(size) + to_source[source, 3], POSITION_DECIMALS)
        for axis, (source, size) in enumerate(zip(order, shape, strict=True))
    ]


def _interpolate(volume: Volume, reference: Geometry, fill: float, antialias: bool) -> Volume:
    to_source = volume.inverse_affine @ reference.affine
    order = _parallel_axes(to_source)
    if order is None:
        return _on(reference, interpolate_turned(volume, reference, fill))
    source = volume.array.transpose(order)
    positions = _positions(to_source, order, reference.spatial_shape)
    weights = [axis_weights(p, n, antialias) for p, n in zip(positions, source.shape, strict=True)]
    array = apply_separable(source, weights)
    for axis, (p, n) in enumerate(zip(positions, source.shape, strict=True)):
        outside = (p < -0.5) | (p > n - 0.5)
        if outside.any():
            np.moveaxis(array, axis, 0)[outside] = fill
    return _on(reference, array)


def _on(reference: Geometry, array: NDArray[Any]) -> Volume:
    return Volume(array, reference.affine, reference.coordinate_system, reference.frame_of_reference_uid)
