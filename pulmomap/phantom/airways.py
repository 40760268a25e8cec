"""Trachea, main and lobar bronchi, a named bronchus for each of 18 segments, then the periphery."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pulmomap.phantom.anatomy import Anatomy
from pulmomap.phantom.fields import Coarse, Point
from pulmomap.phantom.generations import levels
from pulmomap.phantom.growth import Growth, Tree, central, fill, murray, smooth, without_twigs
from pulmomap.phantom.lobes import LOBE_OF, SEGMENTS, Lobe, Segment
from pulmomap.phantom.population import Patient
from pulmomap.phantom.space import Branching, Near, Walls, room

# Segments whose bronchi leave by a common stem beyond the lobar bronchus.
STEMS = (
    (
        Segment.RIGHT_MEDIAL_BASAL,
        Segment.RIGHT_ANTERIOR_BASAL,
        Segment.RIGHT_LATERAL_BASAL,
        Segment.RIGHT_POSTERIOR_BASAL,
    ),
    (Segment.LEFT_APICOPOSTERIOR, Segment.LEFT_ANTERIOR),
    (Segment.LEFT_SUPERIOR_LINGULAR, Segment.LEFT_INFERIOR_LINGULAR),
    (Segment.LEFT_ANTEROMEDIAL_BASAL, Segment.LEFT_LATERAL_BASAL, Segment.LEFT_POSTERIOR_BASAL),
)


def grow_airways(patient: Patient, anatomy: Anatomy, coarse: Coarse, walls: Walls) -> Branching:
    """Draws from ``coarse.rng``."""
    size, near = patient.scale, Near(patient, anatomy, coarse.rng)
    carina = anatomy.marks.carina
    tree = Tree()
    trachea = tree.line([carina + np.array(offset) * size for offset in ((0, -8, 105), (0, -3, 50), (0, 0, 0))], -1)
    right = tree.line([carina + np.array((-14, 1, -8)) * size, near(-24, 24, -12)], trachea)
    intermedius = tree.line([near(-33, 25, -30)], right)
    left = tree.line([carina + np.array((14, 2, -9)) * size, near(31, 28, -17), near(43, 30, -21)], trachea)
    entries = {
        Lobe.RIGHT_UPPER: tree.line([near(-40, 20, -2)], right),
        Lobe.RIGHT_MIDDLE: tree.line([near(-48, 2, -42)], intermedius),
        Lobe.RIGHT_LOWER: tree.line([near(-40, 32, -48)], intermedius),
        Lobe.LEFT_UPPER: tree.line([near(54, 16, -12)], left),
        Lobe.LEFT_LOWER: tree.line([near(50, 36, -42)], left),
    }
    growth = Growth(step=3.0 * size, reach=5.0)
    for segment in _segmental_bronchi(tree, entries, anatomy, coarse):
        space = room(anatomy, coarse, 1 / 16000, anatomy.segments == segment)
        starts = [node for node in range(len(tree)) if tree.segments[node] == segment]
        fill(tree, starts, space, growth, LOBE_OF[segment], segment)
    tree = without_twigs(tree, 2)
    smooth(tree, 2)
    walls.clear(tree, 4.0)
    radii = central(murray(tree, 0.85 * size, 2.4, 8.8 * size), tree, 8.8 * size, 2.7)
    return Branching(tree, radii, levels(tree, radii))


def _segmental_bronchi(tree: Tree, entries: dict[Lobe, int], anatomy: Anatomy, coarse: Coarse) -> Iterator[Segment]:
    """Add the stems and segmental bronchi; yields each segment when it has its bronchus."""
    stems: dict[Segment, int] = {}
    for group in STEMS:
        lobe = LOBE_OF[group[0]]
        middle = np.mean([_middle(anatomy, coarse, segment) for segment in group], axis=0)
        start = tree.points[entries[lobe]]
        stem = tree.line([start + 0.3 * (middle - start)], entries[lobe], lobe)
        stems |= dict.fromkeys(group, stem)
    for lobe, places in SEGMENTS.items():
        for segment in places:
            root = stems.get(segment, entries[lobe])
            start = tree.points[root]
            towards = start + 0.4 * (_middle(anatomy, coarse, segment) - start)
            step = min(3.0, 0.5 * float(np.linalg.norm(towards - start)))  # two nodes at least, or it would be a twig
            tree.line([towards], root, lobe, segment, step)
            yield segment


def _middle(anatomy: Anatomy, coarse: Coarse, segment: Segment) -> Point:
    inside = anatomy.segments == segment
    return np.array([axis[inside].mean() for axis in (coarse.x, coarse.y, coarse.z)])
