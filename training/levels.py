"""`prepare levels`: the HiPaS level of every vessel voxel: 0 trunks, 1 hilum, 2 three generations more, 3 beyond.

The phantom knows its generations. Where nobody does (a site's own cases, stores filled before levels were kept), the
calibre stands for the generation.
"""

from __future__ import annotations

from pathlib import Path

import edt
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from pulmomap.metrics.thinning import thinned
from training.store import add_array, case_folders, read_case

RADII = (6.0, 3.0, 1.5)  # mm; the smallest of levels 0, 1 and 2
UNKNOWN = 3

Labels = NDArray[np.uint8]


def phantom_levels(labels: Labels, vessels: Labels) -> Labels:
    """Levels from the phantom's own truth.

    Args:
        labels: of :mod:`pulmomap.phantom.truth`: 1 to 4 arteries and 5 to 8 veins by level.
        vessels: 0 background, 1 PA, 2 PV. Where an airway covers a vessel in ``labels`` the level is the last.
    """
    levels = np.where((labels >= 1) & (labels <= 8), (labels - 1) % 4, UNKNOWN)
    return np.asarray(levels * (vessels > 0), dtype=np.uint8)


def calibre_levels(vessels: Labels, spacing: float) -> Labels:
    """Levels by the radius of the centre line's nearest point.

    Args:
        vessels: (slices, rows, columns): 0 background, 1 PA, 2 PV.
        spacing: mm, isotropic.
    """
    levels = np.zeros(vessels.shape, np.uint8)
    for label in (1, 2):
        mask = np.pad(vessels == label, 1)
        if not mask.any():
            continue
        depth = edt.edt(mask, anisotropy=(spacing,) * 3)
        nearest = distance_transform_edt(~thinned(mask, depth), return_distances=False, return_indices=True)
        radius = depth[tuple(nearest)][1:-1, 1:-1, 1:-1]
        found = np.searchsorted(-np.array(RADII), -radius)
        levels = np.where(vessels == label, found, levels).astype(np.uint8)
    return levels


def add_levels(store: Path) -> None:
    """Write ``levels.npy``, by calibre, into every case of a store that has vessels and no levels."""
    for folder in case_folders(store):
        case = read_case(folder)
        if "vessels" in case and "levels" not in case:
            levels = calibre_levels(np.asarray(case.array("vessels")), float(case.meta.get("spacing_mm", 1.0)))
            add_array(case, "levels", levels, levels_by="calibre")
            print(f"{case.name} has its levels", flush=True)
