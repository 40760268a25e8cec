"""Which part of a grid another grid's field of view reaches."""

from __future__ import annotations

from itertools import product

import numpy as np

from pulmomap.imaging.oblique import Geometry


def overlap(geometry: Geometry, reference: Geometry) -> tuple[slice, slice, slice] | None:
    """The box of reference voxels that holds all whose centres lie in the geometry's field of view.

    Args:
        geometry: of the data.
        reference: in the same frame of reference, turned in any way.

    Returns:
        Slices of the reference's index axes; None if the two do not meet.
    """
    corners = np.array(list(product(*[(-0.5, size - 0.5) for size in geometry.spatial_shape])))
    world = corners @ geometry.affine[:3, :3].T + geometry.affine[:3, 3]
    index = world @ reference.inverse_affine[:3, :3].T + reference.inverse_affine[:3, 3]
    low = np.maximum(np.floor(index.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(index.max(axis=0)).astype(int) + 1, reference.spatial_shape)
    if (low >= high).any():
        return None
    first, second, third = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return first, second, third
