"""Airways, arteries and veins of a patient.

Arteries run beside the airways and grow on to the periphery; veins fill what lies between, and drain by four trunks
into the left atrium. Densities are chosen for about 2,000 tips a tree in a lung of five litres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from pulmomap.phantom.anatomy import Anatomy, Lobe
from pulmomap.phantom.fields import Coarse, Point
from pulmomap.phantom.growth import Growth, Tree, colonise, leaves_below, murray, smooth, without_twigs
from pulmomap.phantom.population import Patient


@dataclass(frozen=True)
class Branching:
    """A tree and the radius at each node, mm."""

    tree: Tree
    radii: Point


@dataclass(frozen=True)
class Vasculature:
    """The three trees. ``airways.radii`` is that of the lumen; ``airway_wall`` the wall's thickness at each node."""

    airways: Branching
    airway_wall: Point
    arteries: Branching
    veins: Branching


def grow(patient: Patient, anatomy: Anatomy, coarse: Coarse) -> Vasculature:
    """Grow all three trees. Draws from ``coarse.rng``."""
    airways = _airways(patient, anatomy, coarse)
    arteries = _arteries(patient, anatomy, coarse, airways)
    veins = _veins(patient, anatomy, coarse, airways, arteries)
    return Vasculature(airways, np.maximum(0.7, 0.22 * airways.radii), arteries, veins)


def _room(anatomy: Anatomy, coarse: Coarse, lobe: Lobe, per_mm3: float) -> Point:
    """Points of a lobe that vessels grow towards: off the pleura and the fissures."""
    inside = (anatomy.lobes == lobe) & (anatomy.lungs < -3.0) & (anatomy.fissure > 2.5)
    return coarse.sample(inside, per_mm3)


class _Near:
    """Landmarks in body proportions, with the patient's own deviation."""

    def __init__(self, patient: Patient, rng: np.random.Generator) -> None:
        self._scale, self._rng = patient.scale, rng

    def __call__(self, *position: float) -> Point:
        return np.array(position) * self._scale + self._rng.normal(0.0, 2.0, 3)


def _airways(patient: Patient, anatomy: Anatomy, coarse: Coarse) -> Branching:
    rng, size, near = coarse.rng, patient.scale, _Near(patient, coarse.rng)
    carina = anatomy.marks.carina
    tree = Tree()
    trachea = tree.line([carina + np.array(offset) * size for offset in ((0, -8, 105), (0, -3, 50), (0, 0, 0))], -1)
    right = tree.line([carina + np.array((-14, 1, -8)) * size, near(-24, 24, -12)], trachea)
    intermedius = tree.line([near(-33, 25, -30)], right)
    left = tree.line([carina + np.array((14, 2, -9)) * size, near(32, 26, -17), near(43, 27, -21)], trachea)
    entries = {
        Lobe.RIGHT_UPPER: tree.line([near(-40, 20, -2)], right),
        Lobe.RIGHT_MIDDLE: tree.line([near(-48, 2, -42)], intermedius),
        Lobe.RIGHT_LOWER: tree.line([near(-40, 32, -48)], intermedius),
        Lobe.LEFT_UPPER: tree.line([near(54, 12, -10)], left),
        Lobe.LEFT_LOWER: tree.line([near(50, 36, -42)], left),
    }
    growth = Growth(step=3.0 * size, reach=9.0, jitter=0.08)
    for lobe, entry in entries.items():
        colonise(tree, [entry], _room(anatomy, coarse, lobe, 1 / 9000), lobe, growth, rng)
    tree = without_twigs(tree, 3)
    smooth(tree, 2)
    return Branching(tree, murray(tree, 0.85 * size, 2.9, 8.5 * size))


def _arteries(patient: Patient, anatomy: Anatomy, coarse: Coarse, airways: Branching) -> Branching:
    rng, size, near, marks = coarse.rng, patient.scale, _Near(patient, coarse.rng), anatomy.marks
    tree = Tree()
    division = tree.line(marks.trunk, -1)
    right = tree.line(marks.right_artery[1:], division)
    left = tree.line(marks.left_artery[1:], division)
    interlobar = tree.line([near(-45, 14, -34)], right)
    descending = tree.line([near(56, 36, -34)], left)
    entries = {
        Lobe.RIGHT_UPPER: tree.line([near(-46, 8, 2)], right),
        Lobe.RIGHT_MIDDLE: tree.line([near(-50, 4, -44)], interlobar),
        Lobe.RIGHT_LOWER: tree.line([near(-48, 32, -52)], interlobar),
        Lobe.LEFT_UPPER: tree.line([near(58, 12, 4)], left),
        Lobe.LEFT_LOWER: tree.line([near(57, 40, -48)], descending),
    }
    _accompany(tree, airways, entries, size, rng)
    accompanying = len(tree)
    growth = Growth(step=2.5 * size, reach=5.0, jitter=0.15, inertia=0.4)
    for lobe in Lobe:
        colonise(tree, tree.nodes_of(lobe), _room(anatomy, coarse, lobe, 1 / 1500), lobe, growth, rng)
    smooth(tree, 2, fixed=accompanying)
    tree = without_twigs(tree, 2)
    return Branching(tree, murray(tree, 0.74 * size, 2.75, 13.5 * size * patient.calibre))


def _accompany(tree: Tree, airways: Branching, entries: dict[Lobe, int], size: float, rng: np.random.Generator) -> None:
    """Run an artery beside every lobar and smaller airway, touching its wall."""
    points, parents = airways.tree.arrays()
    along = points - points[np.maximum(parents, 0)]
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    # One side for the whole lung, bent smoothly as the airway turns: above and in front, more or less.
    side = np.array([0.0, -0.5, 0.6]) + rng.normal(0.0, 0.3, 3)
    across = side - (along @ side)[:, None] * along
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    expected = np.minimum(0.72 * size * (4.0 * leaves_below(airways.tree)) ** (1 / 2.75), 9.0)
    beside: dict[int, int] = {}
    for node, lobe in enumerate(airways.tree.lobes):
        if lobe:
            offset = across[node] * (1.25 * airways.radii[node] + 1.05 * expected[node] + 0.3)
            parent = beside.get(int(parents[node]), entries[Lobe(lobe)])
            beside[node] = tree.add(points[node] + offset, parent, lobe)


def _veins(patient: Patient, anatomy: Anatomy, coarse: Coarse, airways: Branching, arteries: Branching) -> Branching:
    rng, size, near, marks = coarse.rng, patient.scale, _Near(patient, coarse.rng), anatomy.marks
    tree = Tree()
    atrium = tree.add(marks.left_atrium, -1)
    trunks = {
        "right superior": near(-40, 2, -34),
        "right inferior": near(-38, 34, -62),
        "left superior": near(46, 0, -24),
        "left inferior": near(44, 38, -60),
    }
    ends = {name: tree.line([marks.ostia[name], point], atrium) for name, point in trunks.items()}
    entries = {
        Lobe.RIGHT_UPPER: tree.line([near(-46, -2, -18)], ends["right superior"], Lobe.RIGHT_UPPER),
        Lobe.RIGHT_MIDDLE: tree.line([near(-50, -8, -46)], ends["right superior"], Lobe.RIGHT_MIDDLE),
        Lobe.RIGHT_LOWER: tree.line([near(-44, 38, -68)], ends["right inferior"], Lobe.RIGHT_LOWER),
        Lobe.LEFT_UPPER: tree.line([near(54, -4, -8)], ends["left superior"], Lobe.LEFT_UPPER),
        Lobe.LEFT_LOWER: tree.line([near(50, 42, -68)], ends["left inferior"], Lobe.LEFT_LOWER),
    }
    artery, airway = cKDTree(arteries.tree.arrays()[0][::2]), cKDTree(airways.tree.arrays()[0])
    coarse_growth = Growth(step=3.0 * size, reach=9.0, jitter=0.1)
    fine_growth = Growth(step=2.5 * size, reach=5.0, jitter=0.15, inertia=0.4)
    for lobe, entry in entries.items():
        room = _room(anatomy, coarse, lobe, 1 / 900)
        room = room[(artery.query(room)[0] > 3.2) & (airway.query(room)[0] > 5.0)] if len(room) else room
        large = room[rng.random(len(room)) < 0.25]
        large = large[artery.query(large)[0] > 5.0] if len(large) else large
        colonise(tree, [entry], large, lobe, coarse_growth, rng)
        colonise(tree, tree.nodes_of(lobe), room, lobe, fine_growth, rng)
    tree = without_twigs(tree, 2)
    smooth(tree, 1)
    largest = 8.0 * size * float(np.clip(rng.normal(1.0, 0.1), 0.8, 1.3))
    return Branching(tree, murray(tree, 0.72 * size, 2.75, largest))
