"""Where branches may grow, and the landmarks they start from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pulmomap.phantom.anatomy import Anatomy
from pulmomap.phantom.fields import Coarse, Field, Point
from pulmomap.phantom.growth import Tree
from pulmomap.phantom.population import Patient

Slope = Callable[[Point], Point]
OFF_THE_AORTA = 8.0  # mm from its surface to the axis of a central vessel


@dataclass(frozen=True)
class Branching:
    """A tree with, at each node, the radius (mm) and the HiPaS level (0 trunks to 3 periphery)."""

    tree: Tree
    radii: Point
    levels: NDArray[np.uint8]


def room(anatomy: Anatomy, coarse: Coarse, per_mm3: float, of: NDArray[np.bool_], pleura: float = 4.0) -> Point:
    """Points that vessels grow towards: off the pleura and the fissures."""
    return coarse.sample(of & (anatomy.lungs < -pleura) & (anatomy.fissure > 3.0), per_mm3)


def off_the_pleura(anatomy: Anatomy, coarse: Coarse) -> Callable[[Point], NDArray[np.bool_]]:
    def inside(points: Point) -> NDArray[np.bool_]:
        return (coarse.at(anatomy.lungs, points) < -2.0) & (coarse.at(anatomy.fissure, points) > 1.5)

    return inside


def slope_of(field: Field, coarse: Coarse) -> Slope:
    """What gives the gradient (n, 3) of a coarse field along x, y and z at points (n, 3), LPS mm."""
    slopes = np.gradient(field, *coarse.axes)[::-1]

    def slope(points: Point) -> Point:
        return np.stack([coarse.at(one, points) for one in slopes], axis=1)

    return slope


class Walls:
    """What no branch of a lobe runs through: heart, abdomen, chest wall; and the aorta, for central vessels."""

    def __init__(self, anatomy: Anatomy, coarse: Coarse) -> None:
        shapes = anatomy.shapes
        self._coarse = coarse
        self._walls = np.minimum.reduce([shapes["pericardium"], shapes["abdomen"], -anatomy.cavity])
        self._from_walls = slope_of(self._walls, coarse)
        self._aorta = shapes["aorta"]
        self._from_aorta = slope_of(self._aorta, coarse)

    def clear(self, tree: Tree, clearance: float = 2.5) -> None:
        """Push the branches out of the walls, by ``clearance`` mm."""
        lobar = np.array(tree.lobes) > 0
        self._push(tree, lobar, self._walls, self._from_walls, clearance)

    def keep_vessels(self, tree: Tree) -> None:
        """The same, and push central vessels off the aorta."""
        self.clear(tree)
        self._push(tree, np.array(tree.lobes) == 0, self._aorta, self._from_aorta, OFF_THE_AORTA)

    def _push(self, tree: Tree, which: NDArray[np.bool_], wall: Field, slope: Slope, clearance: float) -> None:
        nodes = np.flatnonzero(which)
        points = np.array(tree.points)[nodes]
        for _ in range(12):
            depth = np.maximum(clearance - self._coarse.at(wall, points), 0.0)
            away = slope(points)
            points = points + 0.6 * depth[:, None] * away / (np.linalg.norm(away, axis=1, keepdims=True) + 1e-6)
        tree.move(nodes, points)


class Near:
    """Landmarks in body proportions, with the patient's own deviation: of its hilum, and of each one."""

    def __init__(self, patient: Patient, anatomy: Anatomy, rng: np.random.Generator) -> None:
        self._scale, self._hila, self._rng = patient.scale, anatomy.marks.hila, rng

    def __call__(self, *position: float) -> Point:
        point = self._hila.moved(np.array(position) * self._scale, self._scale)
        return point + self._rng.normal(0.0, 2.0, 3)
