"""Vessels that were missed although they are wide, and vessels that were found where there is none.

A false label on the airway wall, the pleura or the nodule is a defect of its own: what surrounds a nodule decides an
operation. A voxel next to a true vessel does not count: there the border is off, and the structure is not mistaken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion

from pulmomap.case import Nodule
from pulmomap.metrics.calibre import wide_vessels
from pulmomap.metrics.outcome import Outcome, Status
from pulmomap.metrics.perinodular import ball
from pulmomap.metrics.vessel import Trees

Mask = NDArray[np.bool_]
WIDE = 1.5
"""mm; the smallest radius of a wide vessel."""

AROUND = np.ones((3, 3, 3), bool)
STRUCTURES = ("airway_wall", "pleura", "nodule")


def defect_regions(
    reference: Volume, true: Trees, lungs: Volume, nodules: Sequence[Nodule], airway_wall: NDArray[np.integer] | None
) -> dict[str, Mask]:
    """Where the figures of :func:`defect_scores` are counted.

    Args:
        reference: the true map.
        true: its centre lines.
        lungs: mask on its grid. The pleura is the outermost two voxels inside it.
        nodules: spheres of their diameters; one of which only the place is known is left out.
        airway_wall: (n, 3) voxels; None where nobody knows them.
    """
    vessel = np.asarray(reference.array) > 0
    apart = ~binary_dilation(vessel, AROUND)
    lung = np.asarray(lungs.array) > 0
    found = {
        "wide": wide_vessels(reference, true, WIDE),
        "pleura": lung & ~binary_erosion(lung, AROUND, iterations=2) & apart,
        "nodule": np.zeros(vessel.shape, bool),
        "airway_wall": np.zeros(vessel.shape, bool),
    }
    for nodule in nodules:
        if nodule.diameter is not None:
            sphere = ball(reference, np.asarray(nodule.centre, dtype=np.float64), nodule.diameter / 2)
            found["nodule"][sphere.box] |= sphere.inside
    found["nodule"] &= apart
    if airway_wall is not None:
        found["airway_wall"][tuple(np.asarray(airway_wall).T)] = True
        found["airway_wall"] &= apart
    return found


def defect_scores(found: Volume, where: Mapping[str, Mask]) -> dict[str, Outcome]:
    """Shares of 1.

    Args:
        found: a map on the reference's grid.
        where: from `defect_regions`.

    Returns:
        ``sensitivity_wide``: voxels of vessels of 1.5 mm radius and more that are called a vessel;
        ``false_airway_wall`` and so on: voxels of the structure that are.
    """
    vessel = np.asarray(found.array) > 0
    scores = {"sensitivity_wide": _share(vessel, where["wide"])}
    return scores | {f"false_{name}": _share(vessel, where[name]) for name in STRUCTURES}


def _share(vessel: Mask, where: Mask) -> Outcome:
    count = int(np.count_nonzero(where))
    return Outcome(np.count_nonzero(vessel & where) / count) if count else Outcome.missing(Status.REF_EMPTY)
