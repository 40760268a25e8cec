"""Trees that fill a space: nodes with parents, grown by space colonisation.

The method is that of Runions et al. (2007): points of the space attract the nearest node, which grows towards the mean
of their directions; a point is gone once a node is near. Radii follow Murray's law with a free exponent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Points = NDArray[np.float64]


@dataclass
class Tree:
    """A rooted tree in space. A node's parent always has a smaller index.

    Attributes:
        points: node positions, mm.
        parents: index of each node's parent; -1 for the root.
        lobes: the lobe a node was grown for; 0 for central nodes.
        segments: the segment a node was grown for; 0 where it was grown for none.
    """

    points: list[Points] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    lobes: list[int] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.points)

    def add(self, point: Points, parent: int, lobe: int = 0, segment: int = 0) -> int:
        """Append a node and return its index."""
        self.points.append(np.asarray(point, dtype=float))
        self.parents.append(parent)
        self.lobes.append(lobe)
        self.segments.append(segment)
        return len(self.points) - 1

    def line(self, points: Sequence[Points], parent: int, lobe: int = 0, segment: int = 0, step: float = 3.0) -> int:
        """Append a polyline in steps and return its last node. A parent of -1 makes its first point the root."""
        for point in points:
            if parent < 0:
                parent = self.add(point, -1, lobe, segment)
                continue
            start = self.points[parent]
            count = max(1, int(np.linalg.norm(point - start) / step))
            for number in range(1, count + 1):
                parent = self.add(start + (point - start) * number / count, parent, lobe, segment)
        return parent

    def nodes_of(self, lobe: int) -> list[int]:
        """The nodes grown for a lobe."""
        return [node for node, grown_for in enumerate(self.lobes) if grown_for == lobe]

    def arrays(self) -> tuple[Points, NDArray[np.int64]]:
        """Positions (n, 3) and parents (n,)."""
        return np.array(self.points), np.array(self.parents)


@dataclass(frozen=True)
class Growth:
    """How a tree grows, mm.

    Attributes:
        step: between two nodes. reach: an attractor is gone once a node is as near as this.
        jitter, inertia: randomness and persistence of the direction, against the pull of 1.
        aside: moves new nodes (n, 3) out of what they must not run through.
    """

    step: float
    reach: float
    jitter: float = 0.12
    inertia: float = 0.5
    aside: Callable[[Points], Points] = lambda points: points


# An attractor that no new node has come nearer to for this long lies behind a corner: it is given up.
PATIENCE = 25
ITERATIONS = 400


def colonise(
    tree: Tree,
    starts: Sequence[int],
    attractors: Points,
    growth: Growth,
    rng: np.random.Generator,
    lobe: int = 0,
    segment: int = 0,
) -> None:
    """Grow ``tree`` from the start nodes until every attractor has a node within ``growth.reach``.

    ``lobe`` and ``segment`` are noted at the new nodes.
    """
    if len(attractors) == 0:
        return
    start = np.array(starts)
    best: NDArray[Any]
    owner: NDArray[Any]
    waited: NDArray[Any]
    best, nearest = cKDTree(np.array(tree.points)[start]).query(attractors)
    owner, waited = start[nearest], np.zeros(len(attractors), dtype=int)
    for _ in range(ITERATIONS):
        alive = (best > growth.reach) & (waited < PATIENCE)
        attractors, owner, best, waited = attractors[alive], owner[alive], best[alive], waited[alive]
        if len(attractors) == 0:
            return
        nodes, new = _advance(tree, attractors, owner, growth, rng)
        ids = np.array([tree.add(point, int(node), lobe, segment) for point, node in zip(new, nodes, strict=True)])
        distance, which = cKDTree(new).query(attractors)
        closer = distance < best - 1e-3
        owner = np.where(closer, ids[which], owner)
        waited = np.where(closer, 0, waited + 1)
        best = np.where(closer, distance, best)


def _advance(
    tree: Tree, attractors: Points, owner: NDArray[np.int64], growth: Growth, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Points]:
    """The growing nodes and where their next nodes lie."""
    nodes, which = np.unique(owner, return_inverse=True)
    here = np.array([tree.points[node] for node in nodes])
    above = np.array([tree.points[max(tree.parents[node], 0)] for node in nodes])
    pull = np.zeros((len(nodes), 3))
    np.add.at(pull, which, _unit(attractors - here[which]))
    heading = _unit(pull) + growth.inertia * _unit(here - above) + rng.normal(0.0, growth.jitter, pull.shape)
    return nodes, growth.aside(here + growth.step * _unit(heading))


def _unit(vectors: Points) -> Points:
    return np.asarray(vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9))


def without_twigs(tree: Tree, shortest: int) -> Tree:
    """The tree without terminal branches of fewer nodes than ``shortest``."""
    parents = np.array(tree.parents)
    children = np.bincount(parents[parents >= 0], minlength=len(tree))
    keep = np.ones(len(tree), dtype=bool)
    for tip in np.flatnonzero(children == 0):
        path, node = [tip], parents[tip]
        while node >= 0 and children[node] == 1:
            path.append(node)
            node = parents[node]
        if node >= 0 and len(path) < shortest:
            keep[path] = False
    index = np.cumsum(keep) - 1
    result = Tree()
    for node in np.flatnonzero(keep):
        parent = parents[node]
        result.add(tree.points[node], int(index[parent]) if parent >= 0 else -1, tree.lobes[node], tree.segments[node])
    return result


def smooth(tree: Tree, times: int, fixed: int = 0) -> None:
    """Move inner nodes towards their neighbours. The first ``fixed`` nodes, the root and the tips stay."""
    points, parents = tree.arrays()
    has_parent = parents >= 0
    movable = has_parent & (np.arange(len(points)) >= fixed)
    for _ in range(times):
        total, count = np.zeros_like(points), np.zeros(len(points))
        np.add.at(total, parents[has_parent], points[has_parent])
        np.add.at(count, parents[has_parent], 1)
        inner = movable & (count > 0)
        children = total[inner] / count[inner, None]
        points[inner] = 0.5 * points[inner] + 0.25 * children + 0.25 * points[parents[inner]]
    tree.points = list(points)


def leaves_below(tree: Tree) -> NDArray[np.float64]:
    """How many tips each node feeds."""
    parents = np.array(tree.parents)
    children = np.bincount(parents[parents >= 0], minlength=len(tree))
    leaves = (children == 0).astype(float)
    for node in range(len(tree) - 1, 0, -1):
        if parents[node] >= 0:
            leaves[parents[node]] += leaves[node]
    return np.asarray(leaves)


def murray(tree: Tree, tip: float, exponent: float, largest: float) -> NDArray[np.float64]:
    """Radii, mm: ``tip`` at the tips, parent^e = sum of children^e, never above ``largest``."""
    return np.asarray(np.minimum(tip * leaves_below(tree) ** (1.0 / exponent), largest))


def central(radii: NDArray[np.float64], tree: Tree, trunk: float, exponent: float) -> NDArray[np.float64]:
    """Radii with the central vessels as wide as they are, though far from all of their branches are drawn.

    Args:
        radii: after Murray, mm.
        tree: its nodes of lobe 0 are central.
        trunk: mm, at the root; the other central nodes by the share of the tips that they feed.
        exponent: of Murray's law.

    Returns:
        Radii that never grow from parent to child.
    """
    leaves = leaves_below(tree)
    inner = np.array(tree.lobes) == 0
    result = np.where(inner, np.maximum(radii, trunk * (leaves / leaves[0]) ** (1.0 / exponent)), radii)
    for node, parent in enumerate(tree.parents):
        if parent >= 0:
            result[node] = min(result[node], result[parent])
    return np.asarray(result)
