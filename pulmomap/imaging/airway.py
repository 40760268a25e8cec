"""Trachea and main bronchi on a coarse canonical grid: air in narrow cross-sections near the midline."""

from __future__ import annotations

from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Labels = NDArray[np.unsignedinteger[Any]]

# HU below which a voxel is air rather than aerated lung. Strict levels come last: they lose the thin bronchi, but
# part the airway from an emphysematous lung, into which the loose levels leak.
LEVELS = (-900.0, -930.0, -960.0, -980.0)
# mm2: cross-sections of the trachea reach 350 (men, 25 x 27 mm, Breatnach et al., AJR 1984); the carina twice that.
LARGEST_SECTION = 700.0
VOLUME_ML = (5.0, 120.0)
SHORTEST = 40.0  # mm along the body
FARTHEST = 40.0  # mm beside the middle between the lungs


def find_airway(hu: NDArray[np.float32], air: Mask, spacing: tuple[float, float, float]) -> Mask:
    """Trachea and main bronchi.

    Args:
        hu: (slice, row, column), canonical (slices to the head, columns to the left).
        air: air inside the body on the same grid.
        spacing: mm.

    Returns:
        Mask of the lumen, all False if there is no trachea to be found (a scan below the carina).
    """
    for level in LEVELS:
        narrow = _narrow_sections(air & (hu < level), spacing)
        tube = _longest_tube(narrow, air, spacing)
        if tube is not None:
            return tube
    return np.zeros_like(air)


def sections(mask: Mask) -> Labels:
    """Connected components of every slice for itself (8-neighbourhood), numbered throughout the volume."""
    spread = np.zeros((2 * len(mask) - 1, *mask.shape[1:]), mask.dtype)
    spread[::2] = mask  # empty slices in between keep neighbours apart
    return np.asarray(cc3d.connected_components(spread, connectivity=26)[::2])


def _narrow_sections(mask: Mask, spacing: tuple[float, float, float]) -> Mask:
    labels = sections(mask)
    area = np.bincount(labels.ravel()) * spacing[1] * spacing[2]
    return mask & (area <= LARGEST_SECTION)[labels]


def _longest_tube(narrow: Mask, air: Mask, spacing: tuple[float, float, float]) -> Mask | None:
    labels = cc3d.connected_components(narrow, connectivity=26)
    facts: Any = cc3d.statistics(labels)
    millilitres = facts["voxel_counts"] * np.prod(spacing) / 1000
    columns = np.flatnonzero(air.any(axis=(0, 1)))
    if len(columns) == 0:
        return None
    middle = (columns[0] + columns[-1]) / 2
    best, longest = None, SHORTEST
    for label in range(1, len(millilitres)):
        box = facts["bounding_boxes"][label]
        length = (box[0].stop - box[0].start) * spacing[0]
        aside = abs(facts["centroids"][label][2] - middle) * spacing[2]
        if VOLUME_ML[0] <= millilitres[label] <= VOLUME_ML[1] and aside <= FARTHEST and length > longest:
            best, longest = label, length
    return None if best is None else np.asarray(labels == best)
