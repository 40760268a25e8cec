"""Trees that fill a space: nodes with parents, each branch dividing the territory that it feeds.

The idea is that of Kitaoka et al. (1999) and Tawhai et al. (2000). Radii follow Murray's law with a free exponent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

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
    """How a tree divides its territory.

    Attributes:
        step: between two nodes, mm. reach: a territory within this of a branch needs no branch of its own, mm.
        widest: angle between a branch and its parent, degrees, at most.
        aside: moves new nodes (n, 3) out of what they must not run through.
    """

    step: float
    reach: float
    widest: float = 60.0
    aside: Callable[[Points], Points] = lambda points: points


PART = 0.4  # of the way towards the middle of what it feeds, which a branch goes before it divides
UNEVEN = 0.25  # how far a division may be from even halves
NEARER = 0.2  # mm; a branch that gains less on its territory stops
BEHIND = -0.2  # cosine of the angle from where on a territory lies behind a branch and is given up
BEND = 0.35  # of a branch's length over which it leaves the direction of its parent


def fill(
    tree: Tree,
    starts: Sequence[int],
    targets: Points,
    growth: Growth,
    rng: np.random.Generator,
    lobe: int = 0,
    segment: int = 0,
) -> None:
    """Grow ``tree`` from the start nodes until every target has a branch that ends there or passes near.

    Each target belongs to the nearest start. A branch runs some of the way to the middle of its targets and divides
    them by a plane along itself, across their longest side; each half is the territory of a branch, and so on.
    ``lobe`` and ``segment`` are noted at the new nodes.
    """
    start = np.array(starts)
    if len(targets) == 0 or len(start) == 0:
        return
    distance, nearest = cKDTree(np.array(tree.points)[start]).query(targets)
    far = distance > growth.reach
    for place in np.unique(nearest[far]):
        node = int(start[place])
        open_: list[tuple[int, Points]] = [(node, targets[far & (nearest == place)])]
        while open_:
            node, territory = open_.pop()
            for half in _halves(tree, node, territory, rng):
                if _unit(half.mean(axis=0) - tree.points[node]) @ _heading(tree, node) < BEHIND:
                    continue
                end = _branch(tree, node, half, growth, lobe, segment)
                left = half[np.linalg.norm(half - tree.points[end], axis=1) > growth.reach]
                if len(left) and _nearer(left.mean(axis=0), tree.points[node], tree.points[end]):
                    open_.append((end, left))


def _nearer(place: Points, before: Points, after: Points) -> bool:
    """Whether a branch has come nearer to where it wants to go; one that stands before an obstacle has not."""
    return bool(np.linalg.norm(place - after) < np.linalg.norm(place - before) - NEARER)


def _heading(tree: Tree, node: int) -> Points:
    above = tree.parents[node]
    return _unit(tree.points[node] - tree.points[above]) if above >= 0 else np.zeros(3)


def _halves(tree: Tree, node: int, territory: Points, rng: np.random.Generator) -> list[Points]:
    """The targets of a node's two branches, or of its only one."""
    if len(territory) < 2:
        return [territory]
    middle = territory.mean(axis=0)
    along = _unit(_heading(tree, node) + _unit(middle - tree.points[node]))
    flat = territory - middle
    flat = flat - np.outer(flat @ along, along)
    axis = np.linalg.svd(flat + rng.normal(0.0, 0.1, flat.shape), full_matrices=False)[2][0]
    side = flat @ axis
    cut = np.quantile(side, 0.5 + rng.uniform(-UNEVEN, UNEVEN))
    return [half for half in (territory[side <= cut], territory[side > cut]) if len(half)]


def _branch(tree: Tree, node: int, territory: Points, growth: Growth, lobe: int, segment: int) -> int:
    """Add a branch from a node towards a territory; returns its last node."""
    here, heading = tree.points[node], _heading(tree, node)
    gap = territory.mean(axis=0) - here
    last = len(territory) == 1
    length = float(np.linalg.norm(gap)) * (1.0 if last else PART)
    direction = _within(_unit(gap), heading, growth.widest)
    length = max(length, growth.step)
    bend, end = here + BEND * length * heading, here + length * direction
    count = max(1, round(length / growth.step))
    share = (np.arange(1, count + 1) / count)[:, None]
    path = (1 - share) ** 2 * here + 2 * share * (1 - share) * bend + share**2 * end
    for wanted in path:  # one after the other, so that a branch goes round what stands in its way on one side
        move = wanted - tree.points[node]
        move *= min(1.0, 1.5 * growth.step / (np.linalg.norm(move) + 1e-9))
        node = tree.add(growth.aside((tree.points[node] + move)[None])[0], node, lobe, segment)
    return node


def _within(direction: Points, heading: Points, widest: float) -> Points:
    """A unit vector turned towards the heading until it is within an angle of it, degrees."""
    cosine = float(direction @ heading)
    limit = np.cos(np.deg2rad(widest))
    if cosine >= limit or not heading.any():
        return direction
    across = _unit(direction - cosine * heading)
    return np.asarray(limit * heading + np.sqrt(1 - limit**2) * across)


def _unit(vectors: Points) -> Points:
    return np.asarray(vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9))


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


def smooth(tree: Tree, times: int) -> None:
    """Move the inner nodes of the lobes towards their neighbours; central nodes and tips stay."""
    points, parents = tree.arrays()
    has_parent = parents >= 0
    movable = has_parent & (np.array(tree.lobes) > 0)
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


def tip_of(mean: float, spread: float, rng: np.random.Generator) -> float:
    """A patient's radius at the tips, mm; ``spread`` is the SD of its logarithm between patients, cut off at two."""
    return mean * float(np.exp(np.clip(rng.normal(0.0, spread), -2 * spread, 2 * spread)))


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
