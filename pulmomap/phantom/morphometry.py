"""Measures of trees, as anatomists take them from casts and scans.

Strahler ordering: tips are of order 1; where two branches of the highest order meet, the parent is one order higher.
A branch (element) is a run of nodes of one order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pulmomap.phantom.growth import Tree
from pulmomap.phantom.separation import Tubes
from pulmomap.phantom.space import Branching

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ratios:
    """How numbers, diameters and lengths of branches change from one Strahler order to the next higher one."""

    orders: int
    branching: float
    diameter: float
    length: float


def strahler(tree: Tree) -> NDArray[np.int64]:
    """Strahler order of each node, (n,), 1 at the tips."""
    order = np.ones(len(tree), dtype=np.int64)
    highest, count = np.zeros(len(tree), dtype=np.int64), np.zeros(len(tree), dtype=np.int64)
    for node in range(len(tree) - 1, -1, -1):
        if highest[node]:
            order[node] = highest[node] + (count[node] > 1)
        parent = tree.parents[node]
        if parent >= 0:
            if order[node] > highest[parent]:
                highest[parent], count[parent] = order[node], 1
            elif order[node] == highest[parent]:
                count[parent] += 1
    return order


def ratios(branching: Branching, lowest: int = 1) -> Ratios:
    """Strahler ratios of a tree, from straight lines through the logarithms over all orders but the highest.

    The highest order is one trunk, whose length and number say nothing. Orders below ``lowest`` are left out too.
    """
    tree, order = branching.tree, strahler(branching.tree)
    points, parents = tree.arrays()
    element = np.zeros(len(tree), dtype=np.int64)
    for node, parent in enumerate(tree.parents):
        same = parent >= 0 and order[parent] == order[node]
        element[node] = element[parent] if same else node
    first, which = np.unique(element, return_inverse=True)
    steps = np.linalg.norm(points - points[np.maximum(parents, 0)], axis=1)
    lengths = np.bincount(which, steps)
    diameters = 2 * np.bincount(which, branching.radii) / np.bincount(which)
    levels = np.arange(lowest, order.max())
    mean = [[x[order[first] == level].mean() for level in levels] for x in (diameters, lengths)]
    numbers = [(order[first] == level).sum() for level in levels]
    slopes = [np.polyfit(levels, np.log(values), 1)[0] for values in (numbers, *mean)]
    return Ratios(int(order.max()), float(np.exp(-slopes[0])), float(np.exp(slopes[1])), float(np.exp(slopes[2])))


def murray_exponent(branching: Branching) -> float:
    """Median exponent x of r^x = r1^x + r2^x over bifurcations of comparable branches."""
    children: dict[int, list[int]] = {}
    for node, parent in enumerate(branching.tree.parents):
        children.setdefault(parent, []).append(node)
    radii, exponents = branching.radii, np.linspace(1.0, 6.0, 501)
    found = []
    for parent, pair in children.items():
        if parent < 0 or len(pair) != 2 or min(radii[pair]) < 0.4 * radii[parent]:
            continue
        if max(radii[pair]) < 0.98 * radii[parent]:
            balance = sum((radii[child] / radii[parent]) ** exponents for child in pair) - 1.0
            found.append(float(exponents[int(np.argmin(np.abs(balance)))]))
    return float(np.median(found))


def artery_to_bronchus(airways: Branching, wall: Floats, arteries: Branching) -> float:
    """Median diameter of the companion artery over the outer diameter of its subsegmental bronchus.

    Subsegmental: bronchi of a segment, lumen 2 to 4 mm wide. The companion is the thickest artery that touches it.
    """
    chosen = (np.array(airways.tree.segments) > 0) & (airways.radii > 1.0) & (airways.radii < 2.0)
    outer = (airways.radii + wall)[chosen]
    tree = cKDTree(np.array(arteries.tree.points))
    near = tree.query_ball_point(np.array(airways.tree.points)[chosen], outer + 4.0)
    companions = np.array([arteries.radii[nodes].max() if nodes else np.nan for nodes in near])
    return float(np.nanmedian(companions / outer))


def overlap(first: Tubes, second: Tubes) -> float:
    """How deep the tubes of one tree enter those of another, mm, every pair in reach looked at; negative if apart."""
    near = cKDTree(first.points).query_ball_point(second.points, second.radii + first.radii.max())
    deepest = -np.inf
    for close, place, radius in zip(near, second.points, second.radii, strict=True):
        if close:
            apart = np.linalg.norm(first.points[close] - place, axis=1)
            deepest = max(deepest, float((first.radii[close] + radius - apart).max()))
    return deepest
