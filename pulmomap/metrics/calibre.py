"""How wide a vessel is, voxel by voxel, and which voxels belong to vessels of at least some radius.

The radius is that of the nearest point of the centre line: the distance from there to the nearest voxel outside, less
half a voxel, because the wall lies between two voxel centres.
"""

from __future__ import annotations

from collections.abc import Mapping

import edt
import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pulmomap.case import Vessel
from pulmomap.metrics.region import bounding_box
from pulmomap.metrics.skeleton import Skeleton


def wide_vessels(labels: Volume, lines: Mapping[Vessel, Skeleton], least: float) -> NDArray[np.bool_]:
    """The voxels of vessels whose radius is ``least`` mm or more.

    Args:
        labels: map with the values of :class:`Vessel`.
        lines: its centre lines, :func:`pulmomap.metrics.vessel.centre_lines`.
        least: mm.

    Returns:
        bool, of the shape of ``labels``.
    """
    array = np.asarray(labels.array)
    wide = np.zeros(array.shape, bool)
    spacing = np.asarray(labels.spacing)
    for vessel, line in lines.items():
        if not line.voxels:
            continue
        box = bounding_box(array == vessel)
        first = np.array([part.start for part in box])
        inside = np.pad(array[box] == vessel, 1)
        depth = edt.edt(inside, anisotropy=tuple(spacing.tolist()))
        points = line.points - first
        radius = depth[tuple((points + 1).T)] - spacing.min() / 2
        voxels = np.argwhere(array[box] == vessel)
        nearest = cKDTree(points * spacing).query(voxels * spacing)[1]
        chosen = voxels[radius[nearest] >= least] + first
        wide[tuple(chosen.T)] = True
    return wide
