"""Pulmonary veins: along the planes between the segments, by four trunks into the left atrium."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pulmomap.phantom.anatomy import Anatomy
from pulmomap.phantom.fields import Coarse, Point
from pulmomap.phantom.growth import Growth, Tree, fill, murray, smooth, tip_of, without_twigs
from pulmomap.phantom.lobes import Lobe
from pulmomap.phantom.population import Patient
from pulmomap.phantom.separation import Obstacles
from pulmomap.phantom.space import Near, Walls, room, slope_of
from pulmomap.phantom.variants import Variants

# Radius at the tips, mm: wider than of arteries, for veins have fewer of them; so the lobes' veins hold as much blood
# as their arteries, at every width. Were thick vessels arteries and thin ones veins, a network would learn just that.
TIP = 1.05
PULL, PULLED = 0.15, 1.0  # of the distance to a border of segments in a step, and mm at most
SPREAD = 0.17  # of its logarithm, from patient to patient


def grow_veins(
    patient: Patient,
    variants: Variants,
    anatomy: Anatomy,
    coarse: Coarse,
    standing: Obstacles,
    walls: Walls,
) -> tuple[Tree, Point]:
    """The tree and its radii, mm, grown round what is ``standing``. Draws from ``coarse.rng``."""
    rng, size = coarse.rng, patient.scale
    tree = _venous_trunks(patient, variants, anatomy, rng)
    clear, onto_border = standing.aside(3.0), _towards_the_border(anatomy, coarse)
    between = Growth(step=3.0 * size, reach=6.0, aside=lambda points: clear(onto_border(points)))
    fine = Growth(step=2.5 * size, reach=6.5, widest=75.0, aside=standing.aside(1.5))
    for lobe in Lobe:
        inside = anatomy.lobes == lobe
        large = room(anatomy, coarse, 1 / 6500, inside & (anatomy.border < 5.0), pleura=8.0)
        large = large[standing.gap(large)[0] > 3.5]
        fill(tree, tree.nodes_of(lobe), large, between, rng, lobe)
        space = room(anatomy, coarse, 1 / 14000, inside)
        space = space[standing.gap(space)[0] > 2.0]
        fill(tree, tree.nodes_of(lobe), space, fine, rng, lobe)
    tree = without_twigs(tree, 2)
    smooth(tree, 1)
    walls.clear(tree)
    largest = 8.0 * size * float(np.clip(rng.normal(1.0, 0.1), 0.8, 1.3))
    tip = tip_of(TIP * size, SPREAD, rng)
    radii = murray(tree, tip, 2.4, largest)
    return tree, radii


def _towards_the_border(anatomy: Anatomy, coarse: Coarse) -> Callable[[Point], Point]:
    """What moves points (n, 3) some of the way to the nearest plane between two segments: there the large veins run."""
    slope = slope_of(anatomy.border, coarse)

    def moved(points: Point) -> Point:
        away = slope(points)
        away /= np.linalg.norm(away, axis=1, keepdims=True) + 1e-6
        return np.asarray(points - np.minimum(PULL * coarse.at(anatomy.border, points), PULLED)[:, None] * away)

    return moved


def _venous_trunks(patient: Patient, variants: Variants, anatomy: Anatomy, rng: np.random.Generator) -> Tree:
    """The left atrium, its trunks, and the nodes of each lobe from which its veins grow.

    The veins of the upper lobes climb in front of the arteries and beside them to above the arteries' own division: at
    that height the left one lies between the pulmonary trunk and the lung, as wide as the arteries there.
    """
    near, marks = Near(patient, rng), anatomy.marks
    tree = Tree()
    atrium = tree.add(marks.left_atrium, -1)
    trunks = {
        "right superior": near(-38, -3, -36),
        "right inferior": near(-38, 34, -62),
        "left superior": near(34, 5, -24),
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
    left = [near(38, -2, -15), near(44, -7, -6), near(48, -7, 4), near(51, -1, 13)]
    tree.line(right, ends["right superior"], Lobe.RIGHT_UPPER)
    tree.line([near(-50, -8, -46)], middle, Lobe.RIGHT_MIDDLE)
    tree.line([near(-44, 38, -68)], ends["right inferior"], Lobe.RIGHT_LOWER)
    tree.line(left, ends["left superior"], Lobe.LEFT_UPPER)
    tree.line([near(50, 42, -68)], ends["left inferior"], Lobe.LEFT_LOWER)
    return tree
