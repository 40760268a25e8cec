"""Thick slices as a scanner would have made them, out of thin ones.

A reconstructed slice is the mean of the object over its slice sensitivity profile; that of a multi-detector CT is
close to a box as wide as the slice is thick. The distance between slices is another matter: they may overlap or leave
gaps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def slab_weights(centres: NDArray[np.float64], thickness: float, size: int) -> NDArray[np.float32]:
    """What each thick slice takes from the thin ones: the exact overlap of a box with thin slices side by side.

    Args:
        centres: of the thick slices, as indices of thin ones (0 is the centre of the first).
        thickness: of the thick slices, in thin slices; at least 1.
        size: number of thin slices.

    Returns:
        (thick, thin) weights; every row sums to one.

    Raises:
        ValueError: a slab that is thinner than the thin slices, or reaches beyond them.
    """
    low, high = centres - thickness / 2, centres + thickness / 2
    if thickness < 1 or low.min() < -0.5 - 1e-9 or high.max() > size - 0.5 + 1e-9:
        raise ValueError(
            f"slabs of {thickness} slices from {low.min():.2f} to {high.max():.2f} cannot be made of {size} slices"
        )
    thin = np.arange(size)
    shared = np.minimum(high[:, None], thin + 0.5) - np.maximum(low[:, None], thin - 0.5)
    return np.asarray(shared.clip(0) / thickness, dtype=np.float32)


def thick_slices(
    volume: NDArray[np.number], step: float, thickness: float, first: float | None = None
) -> tuple[NDArray[np.float32], float]:
    """A scan of thick slices out of one of thin slices, along the first axis.

    Args:
        volume: (slices, rows, columns), HU.
        step: between the thick slices' centres, in thin slices.
        thickness: of the thick slices, in thin slices.
        first: index of the first centre; by default the scan is centred in the volume.

    Returns:
        As many thick slices as fit, and the index of the first centre.
    """
    count = int((len(volume) - thickness) // step) + 1
    start = (len(volume) - 1 - (count - 1) * step) / 2 if first is None else first
    weights = slab_weights(start + step * np.arange(count, dtype=np.float64), thickness, len(volume))
    return np.tensordot(weights, volume.astype(np.float32), 1), start
