"""Pulmonary veins: along the planes between the segments, by four trunks into the left atrium."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from pulmomap.phantom.anatomy import Anatomy
from pulmomap.phantom.fields import Coarse, Point
from pulmomap.phantom.growth import (
    Growth,
    Tree,
    fill,
    leaves_below,
    murray,
    smooth,
    tapered,
    tip_of,
    widened,
    without_twigs,
)
from pulmomap.phantom.lobes import Lobe
from pulmomap.phantom.population import Patient
from pulmomap.phantom.separation import Obstacles
from pulmomap.phantom.space import Near, Walls, room, slope_of
from pulmomap.phantom.variants import Variants

# Radius where the last branches begin, mm: chosen for veins that hold as much blood as arteries, both widened towards
# the heart. Were thick vessels arteries and thin ones veins, a network would learn just that.
TIP = 0.82
# Radius that all veins together would have, mm. Of the four, each of which drains a quarter or so, it makes 7.1 mm on
# average: on CT of 236 healthy adults the four ostia measure (as circles of their area) 8.7, 7.2, 7.3 and 5.8 mm in
# men, 7.9, 6.8, 7.0 and 5.7 mm in women (docs/phantom.md).
TRUNK, TRUNK_SPREAD = 12.6, 0.13
SMOOTHED = 3  # times
UNDRAINED = 9.0  # mm from a vein, from where on a place has lost its own
LARGE = 3  # veins drained, from where on one is drawn to the border of two segments
PULLS, PULL, PULLED = 6, 0.25, 1.5  # times; of the distance to it, and mm at most, each time
SPREAD = 0.17  # of its logarithm, from patient to patient


@dataclass(frozen=True)
class Drainage:
    """What a patient's veins drain, and how wide they are.

    Attributes:
        space: places (n, 3) all over each lobe, LPS mm.
        step: between two nodes, mm.
        tip, trunk: see ``TIP`` and ``TRUNK``; this patient's, mm.
    """

    space: dict[Lobe, Point]
    step: float
    tip: float
    trunk: float

    def radii(self, tree: Tree) -> Point:
        """At the nodes of a tree, mm."""
        return widened(tapered(tree, murray(tree, self.tip, 2.4, self.trunk)), tree, self.trunk, 2.4)

    def fill(self, tree: Tree, standing: Obstacles, reach: float) -> None:
        """Grow the lobes' veins to the places that lie more than ``reach`` mm from them, round what is ``standing``."""
        growth = Growth(step=self.step, reach=reach, aside=standing.aside(1.5))
        for lobe, places in self.space.items():
            starts = tree.nodes_of(lobe) or tree.nodes_of(0)  # a lobe that has lost all begins at the trunks
            fill(tree, starts, places, growth, lobe)

    def undrained(self, tree: Tree) -> int:
        """How many places have no vein near."""
        points, lobes = np.array(tree.points), np.array(tree.lobes)
        far = 0
        for lobe, places in self.space.items():
            veins = points[lobes == lobe]
            far += int((cKDTree(veins).query(places)[0] > UNDRAINED).sum()) if len(veins) else len(places)
        return far

    def again(self, tree: Tree, standing: Obstacles, walls: Walls) -> Tree:
        """The tree with veins for what has lost its own, where they found no way past what is ``standing``."""
        result = tree.copy()
        self.fill(result, standing, UNDRAINED)
        smooth(result, SMOOTHED, len(tree))
        walls.clear(result)
        return result


def grow_veins(
    patient: Patient,
    variants: Variants,
    anatomy: Anatomy,
    coarse: Coarse,
    standing: Obstacles,
    walls: Walls,
) -> tuple[Tree, Drainage]:
    """The tree, grown round what is ``standing``, and what it drains. Draws from ``coarse.rng``."""
    rng, size = coarse.rng, patient.scale
    tree = _venous_trunks(patient, variants, anatomy, rng)
    trunks = len(tree)
    between = Growth(step=3.0 * size, reach=6.0, direct=0.4, aside=standing.aside(3.0))
    space = {}
    for lobe in Lobe:
        inside = anatomy.lobes == lobe
        large = room(anatomy, coarse, 1 / 5000, inside & (anatomy.border < 5.0), pleura=8.0)
        large = large[standing.gap(large)[0] > 3.5]
        fill(tree, tree.nodes_of(lobe), large, between, lobe)
        small = room(anatomy, coarse, 1 / 7900, inside, pleura=3.0)
        space[lobe] = small[standing.gap(small)[0] > 2.0]
    tip, trunk = tip_of(TIP * size, SPREAD, rng), tip_of(TRUNK * size, TRUNK_SPREAD, rng)
    drainage = Drainage(space, 2.5 * size, tip, trunk)
    drainage.fill(tree, standing, 4.5)
    smooth(tree, SMOOTHED, trunks)
    _draw_to_the_borders(tree, trunks, anatomy, coarse)
    tree = without_twigs(tree, 2)
    walls.clear(tree)
    return tree, drainage


def _draw_to_the_borders(tree: Tree, trunks: int, anatomy: Anatomy, coarse: Coarse) -> None:
    """Move the veins that drain several others to the nearest planes between segments: there the large ones run.

    The first ``trunks`` nodes stay: at the hila veins run as landmarks say.
    """
    slope = slope_of(anatomy.border, coarse)
    large = trunks + np.flatnonzero(leaves_below(tree)[trunks:] >= LARGE)
    for _ in range(PULLS):
        points = np.array(tree.points)[large]
        away = slope(points)
        away /= np.linalg.norm(away, axis=1, keepdims=True) + 1e-6
        moved = points - np.minimum(PULL * coarse.at(anatomy.border, points), PULLED)[:, None] * away
        tree.move(large, moved)
        smooth(tree, 1, trunks)


def _venous_trunks(patient: Patient, variants: Variants, anatomy: Anatomy, rng: np.random.Generator) -> Tree:
    """The left atrium, its trunks, and the nodes of each lobe from which its veins grow.

    The veins of the upper lobes climb in front of the arteries and beside them to above the arteries' own division: at
    that height the left one lies between the pulmonary trunk and the lung, as wide as the arteries there.
    """
    near, marks = Near(patient, anatomy, rng), anatomy.marks
    tree = Tree()
    atrium = tree.add(marks.left_atrium, -1)
    trunks = {
        "right superior": near(-38, -3, -36),
        "right inferior": near(-38, 34, -62),
        "left superior": near(35, 15, -25),
        "left inferior": near(44, 38, -60),
    }
    ostia = dict(marks.ostia)
    ends: dict[str, int] = {}
    if variants.left_common_vein:
        shared = (ostia["left superior"] + ostia["left inferior"]) / 2 + np.array([6.0, 0.0, 0.0]) * patient.scale
        common = tree.line([shared], atrium)
        ends = {name: tree.line([trunks[name]], common) for name in ("left superior", "left inferior")}
    for name, point in trunks.items():
        if name not in ends:
            ends[name] = tree.line([ostia[name], point], atrium)
    middle = ends["right superior"]
    if variants.middle_lobe_vein:
        middle = tree.line([(ostia["right superior"] + ostia["right inferior"]) / 2, near(-40, 2, -46)], atrium)
    right = [near(-44, -7, -22), near(-46, -9, -8), near(-48, -4, 6)]
    left = [near(39, 11, -15), near(45, 7, -6), near(48, 5, 4), near(51, 5, 13)]
    tree.line(right, ends["right superior"], Lobe.RIGHT_UPPER)
    tree.line([near(-50, -8, -46)], middle, Lobe.RIGHT_MIDDLE)
    tree.line([near(-44, 38, -68)], ends["right inferior"], Lobe.RIGHT_LOWER)
    tree.line(left, ends["left superior"], Lobe.LEFT_UPPER)
    tree.line([near(50, 42, -68)], ends["left inferior"], Lobe.LEFT_LOWER)
    return tree
