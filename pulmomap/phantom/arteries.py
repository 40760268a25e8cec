"""Pulmonary arteries: the trunk, a companion of every airway, and on to the periphery."""

from __future__ import annotations

import numpy as np

from pulmomap.phantom.anatomy import Anatomy
from pulmomap.phantom.fields import Coarse, Point
from pulmomap.phantom.growth import Growth, Tree, central, colonise, leaves_below, murray, smooth, without_twigs
from pulmomap.phantom.lobes import Lobe, Segment
from pulmomap.phantom.population import Patient
from pulmomap.phantom.space import Branching, Near, Walls, room
from pulmomap.phantom.variants import Variants


def grow_arteries(
    patient: Patient, variants: Variants, anatomy: Anatomy, coarse: Coarse, airways: Branching, walls: Walls
) -> tuple[Tree, Point]:
    """The tree and its radii, mm. Draws from ``coarse.rng``."""
    rng, size, near, marks = coarse.rng, patient.scale, Near(patient, coarse.rng), anatomy.marks
    tree = Tree()
    division = tree.line(marks.trunk, -1)
    right = tree.line(marks.right_artery[1:], division)
    left = tree.line(marks.left_artery[1:], division)
    interlobar = tree.line([near(-47, 17, -33)], right)
    descending = tree.line([near(52, 36, -36)], left)
    entries = {
        Lobe.RIGHT_UPPER: tree.line([near(-44, 8, -4)], right),
        Lobe.RIGHT_MIDDLE: tree.line([near(-49, 4, -46)], interlobar),
        Lobe.RIGHT_LOWER: tree.line([near(-48, 32, -52)], interlobar),
        Lobe.LEFT_UPPER: tree.line([near(54, 12, 0)], left),
        Lobe.LEFT_LOWER: tree.line([near(54, 40, -50)], descending),
    }
    others: dict[Segment, int] = {}
    if variants.ascending_artery:
        others[Segment.RIGHT_POSTERIOR] = tree.line([near(-50, 26, -26)], interlobar, Lobe.RIGHT_UPPER)
    if variants.accessory_basal_artery:
        others[Segment.LEFT_POSTERIOR_BASAL] = tree.line([near(53, 48, -40)], left, Lobe.LEFT_LOWER)
    _accompany(tree, airways, entries, others, size, rng)
    accompanying = len(tree)
    growth = Growth(step=2.5 * size, reach=6.5, jitter=0.15, inertia=0.4)
    for lobe in Lobe:
        space = room(anatomy, coarse, 1 / 12000, anatomy.lobes == lobe)
        colonise(tree, tree.nodes_of(lobe), space, growth, rng, lobe)
    smooth(tree, 2, fixed=accompanying)
    tree = without_twigs(tree, 2)
    walls.clear(tree)
    calibre = size * patient.calibre
    radii = central(murray(tree, 0.9 * size, 2.4, 13.5 * calibre), tree, 13.5 * calibre, 2.4)
    return tree, radii


def _accompany(
    tree: Tree,
    airways: Branching,
    entries: dict[Lobe, int],
    others: dict[Segment, int],
    size: float,
    rng: np.random.Generator,
) -> None:
    """Run an artery beside every lobar and smaller airway, touching its wall. ``others`` feeds segments by variants."""
    points, parents = airways.tree.arrays()
    along = points - points[np.maximum(parents, 0)]
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    # One side for the whole lung, bent smoothly as the airway turns: above and in front, more or less.
    side = np.array([0.0, -0.5, 0.6]) + rng.normal(0.0, 0.3, 3)
    across = side - (along @ side)[:, None] * along
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    expected = np.minimum(0.72 * size * (4.0 * leaves_below(airways.tree)) ** (1 / 2.75), 9.0)
    beside: dict[int, int] = {}
    for node, (lobe, segment) in enumerate(zip(airways.tree.lobes, airways.tree.segments, strict=True)):
        if lobe:
            offset = across[node] * (1.25 * airways.radii[node] + 1.05 * expected[node] + 0.3)
            before = int(parents[node])
            parent = beside.get(before, entries[Lobe(lobe)])
            if segment in others and airways.tree.segments[before] != segment:
                parent = others[Segment(segment)]
            beside[node] = tree.line([points[node] + offset], parent, lobe, segment)
