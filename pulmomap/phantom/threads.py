"""Vessels finer than a reader can follow: threads between the last branches and the pleura.

A scan shows them as specks and faint lines that fill the outer lung. They are part of the image and of no label: where
threads are missing, a segmenter learns that whatever is brighter than air is a vessel to be found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pulmomap.phantom.anatomy import Anatomy
from pulmomap.phantom.fields import Coarse, Point
from pulmomap.phantom.growth import Growth, Tree, fill
from pulmomap.phantom.lobes import Lobe
from pulmomap.phantom.space import room

PER_MM3 = 1 / 700  # of either kind
THICKEST, THINNEST = 0.5, 0.33  # radius at their beginnings and ends, mm
PLEURA = 1.5  # mm kept from it


@dataclass(frozen=True)
class Threads:
    """The threads of one circulation, with the nodes of the tree that they leave.

    Attributes:
        tree: the vessels' own nodes first.
        radii: mm; zero at the vessels' own nodes, which are drawn elsewhere.
    """

    tree: Tree
    radii: Point


def grow_threads(vessels: Tree, anatomy: Anatomy, coarse: Coarse) -> Threads:
    """Threads from the lobes' vessels into the lung around them. Draws from ``coarse.rng``."""
    tree = vessels.copy()
    own, growth = len(tree), Growth(step=3.0, reach=3.0)
    for lobe in Lobe:
        fill(tree, tree.nodes_of(lobe), room(anatomy, coarse, PER_MM3, anatomy.lobes == lobe, PLEURA), growth, lobe)
    depth = np.zeros(len(tree))
    for node in range(own, len(tree)):
        depth[node] = depth[tree.parents[node]] + 1
    last = np.maximum(depth, 1)
    for node in range(len(tree) - 1, own - 1, -1):
        last[tree.parents[node]] = max(last[tree.parents[node]], last[node])
    radii = THICKEST + (THINNEST - THICKEST) * depth / last
    radii[:own] = 0.0
    return Threads(tree, radii)
