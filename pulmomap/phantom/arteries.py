"""Pulmonary arteries: the trunk, a companion of every airway, and on to the periphery."""

from __future__ import annotations

import numpy as np

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
from pulmomap.phantom.lobes import Lobe, Segment
from pulmomap.phantom.population import Patient
from pulmomap.phantom.space import Branching, Near, Walls, room
from pulmomap.phantom.variants import Variants

# Where a lobe's arteries lie beside their bronchi on average, LPS in the right lung, x mirrored in the left: medial in
# the upper lobes, lateral in the others. No side is certain, or a segmenter would tell an artery by it.
SIDES = {
    Lobe.RIGHT_UPPER: (0.7, -0.4, 0.2),
    Lobe.RIGHT_MIDDLE: (-0.6, -0.2, 0.4),
    Lobe.RIGHT_LOWER: (-0.7, 0.4, 0.0),
    Lobe.LEFT_UPPER: (0.7, -0.2, 0.4),
    Lobe.LEFT_LOWER: (-0.7, 0.4, 0.0),
}
SPREAD = 0.8  # about it, from segment to segment
TIP = 0.84  # radius where the last branches begin, mm
TIP_SPREAD = 0.12  # of its logarithm, from patient to patient
TRUNK = 13.5  # radius of the pulmonary trunk, mm
TURN = 0.25  # of the way to its segment's side that an artery goes round its bronchus in a step


def grow_arteries(
    patient: Patient, variants: Variants, anatomy: Anatomy, coarse: Coarse, airways: Branching, walls: Walls
) -> tuple[Tree, Point]:
    """The tree and its radii, mm. Draws from ``coarse.rng``."""
    rng, size, near, marks = coarse.rng, patient.scale, Near(patient, anatomy, coarse.rng), anatomy.marks
    tree = Tree()
    division = tree.line(marks.trunk, -1)
    right = tree.line(marks.right_artery[1:], division)
    front = tree.line(marks.left_artery[1:2], division)
    arch = tree.line(marks.left_artery[2:3], front)
    left = tree.line(marks.left_artery[3:], arch)
    interlobar = tree.line([near(-47, 17, -33)], right)
    descending = tree.line([near(52, 36, -36)], left)
    entries = {
        Lobe.RIGHT_UPPER: tree.line([near(-44, 8, -4)], right),
        Lobe.RIGHT_MIDDLE: tree.line([near(-49, 4, -46)], interlobar),
        Lobe.RIGHT_LOWER: tree.line([near(-48, 32, -52)], interlobar),
        Lobe.LEFT_UPPER: tree.line([near(44, 22, 9)], arch, Lobe.LEFT_UPPER),
        Lobe.LEFT_LOWER: tree.line([near(54, 40, -50)], descending),
    }
    first = tree.line([near(45, 16, 6)], front, Lobe.LEFT_UPPER)
    lingular = first if variants.mediastinal_lingular else tree.line([near(56, 24, -22)], left, Lobe.LEFT_UPPER)
    others = {
        Segment.LEFT_ANTERIOR: first,
        Segment.LEFT_SUPERIOR_LINGULAR: lingular,
        Segment.LEFT_INFERIOR_LINGULAR: lingular,
    }
    if variants.ascending_artery:
        others[Segment.RIGHT_POSTERIOR] = tree.line([near(-50, 26, -26)], interlobar, Lobe.RIGHT_UPPER)
    if variants.accessory_basal_artery:
        others[Segment.LEFT_POSTERIOR_BASAL] = tree.line([near(53, 48, -40)], left, Lobe.LEFT_LOWER)
    _accompany(tree, airways, entries, others, size, rng)
    growth = Growth(step=2.5 * size, reach=4.5)
    for lobe in Lobe:
        space = room(anatomy, coarse, 1 / 9500, anatomy.lobes == lobe, pleura=3.0)
        fill(tree, tree.nodes_of(lobe), space, growth, lobe)
    smooth(tree, 3)
    tree = without_twigs(tree, 2)
    walls.clear(tree)
    calibre = size * patient.calibre
    tip = tip_of(TIP * size, TIP_SPREAD, rng)
    radii = tapered(tree, murray(tree, tip, 2.4, TRUNK * calibre))
    return tree, widened(radii, tree, TRUNK * calibre, 2.4)


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
    wanted = _sides(airways.tree, rng)
    across: dict[int, Point] = {}
    expected = np.minimum(0.72 * size * (4.0 * leaves_below(airways.tree)) ** (1 / 2.75), 9.0)
    beside: dict[int, int] = {}
    for node, (lobe, segment) in enumerate(zip(airways.tree.lobes, airways.tree.segments, strict=True)):
        if lobe and (segment or lobe != Lobe.LEFT_UPPER):  # no artery runs along the left upper lobe's own bronchus
            before = int(parents[node])
            came = across.get(before, np.array(tree.points[entries[Lobe(lobe)]]) - points[node])
            across[node] = _turned(came, wanted[lobe, segment], along[node])
            offset = across[node] * (1.25 * airways.radii[node] + 1.05 * expected[node] + 0.3)
            parent = beside.get(before, entries[Lobe(lobe)])
            if segment in others and airways.tree.segments[before] != segment:
                parent = others[Segment(segment)]
            beside[node] = tree.line([points[node] + offset], parent, lobe, segment)


def _sides(airways: Tree, rng: np.random.Generator) -> dict[tuple[int, int], Point]:
    """Where the arteries of each segment lie beside its bronchi; of each lobe and 0, beside the lobar bronchus."""
    supplied = sorted({pair for pair in zip(airways.lobes, airways.segments, strict=True) if pair[0]})
    sides = {}
    for lobe, segment in supplied:
        mirror = 1.0 if lobe <= Lobe.RIGHT_LOWER else -1.0
        sides[lobe, segment] = np.array(SIDES[Lobe(lobe)]) * (mirror, 1.0, 1.0) + rng.normal(0.0, SPREAD, 3)
    return sides


def _turned(came: Point, wanted: Point, along: Point) -> Point:
    """The next side of a bronchus, a unit vector across it: the last one, turned some of the way to the wanted one."""
    sides = (_across(came, along), _across(wanted, along))
    return _across((1 - TURN) * sides[0] + TURN * sides[1], along)


def _across(vector: Point, along: Point) -> Point:
    flat = vector - (vector @ along) * along
    return np.asarray(flat / (np.linalg.norm(flat) + 1e-9))
