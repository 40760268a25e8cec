"""Voxels that are no vessel but may be taken for one, kept with a case as short lists."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pulmomap.phantom.truth import LABELS

AIRWAY_WALL = "airway_wall"
"""Name of the array in a store: (n, 3) int16 voxels (slice, row, column)."""


def airway_wall(labels: NDArray[np.uint8]) -> NDArray[np.int16]:
    """The voxels of the airways' walls in a phantom's labels."""
    return np.argwhere(labels == LABELS["airway_wall"]).astype(np.int16)
