"""Trees that fill a space: nodes with parents, joined to what they feed at the lowest price.

The idea is that of Cuntz et al. (2010), who grow nerve cells so; the price of a turn is ours. Radii follow Murray's law
with a free exponent and taper along the last branches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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

    def copy(self) -> Tree:
        """A tree of its own, alike."""
        return Tree(list(self.points), list(self.parents), list(self.lobes), list(self.segments))

    def move(self, nodes: Iterable[int], points: Points) -> None:
        """Put nodes to new places (n, 3)."""
        for node, point in zip(nodes, points, strict=True):
            self.points[node] = point

    def nodes_of(self, lobe: int) -> list[int]:
        """The nodes grown for a lobe."""
        return [node for node, grown_for in enumerate(self.lobes) if grown_for == lobe]

    def arrays(self) -> tuple[Points, NDArray[np.int64]]:
        """Positions (n, 3) and parents (n,)."""
        return np.array(self.points), np.array(self.parents)


@dataclass(frozen=True)
class Growth:
    """How a tree reaches what it feeds.

    Attributes:
        step: between two nodes, mm. reach: what lies within this of the tree needs no branch of its own, mm.
        direct: what a mm of the way to the root costs, beside 1 for a mm of vessel: more makes fans, less makes hedges.
        turning: how much dearer a mm is where a branch turns by a right angle.
        aside: moves new nodes (n, 3) out of what they must not run through.
    """

    step: float
    reach: float
    direct: float = 0.6
    turning: float = 1.5
    aside: Callable[[Points], Points] = lambda points: points


def fill(tree: Tree, starts: Sequence[int], targets: Points, growth: Growth, lobe: int = 0, segment: int = 0) -> None:
    """Grow ``tree`` from the start nodes until it has come to every target, or near.

    One target after the other is joined to the tree, the cheapest first: cheap is what needs little vessel, lies on a
    short way to the root and asks for no turn. ``lobe`` and ``segment`` are noted at the new nodes.
    """
    if len(targets) == 0 or len(starts) == 0:
        return
    ways = _ways(tree)
    places = np.array([tree.points[node] for node in starts])
    left = targets[cKDTree(places).query(targets)[0] > growth.reach]
    cost, source = np.full(len(left), np.inf), np.zeros(len(left), dtype=int)
    fresh = list(starts)
    while len(left):
        for node in fresh:
            price = _price(tree, node, ways[node], left, growth)
            better = price < cost
            cost[better], source[better] = price[better], node
        next_ = int(np.argmin(cost))
        node, target = int(source[next_]), left[next_]
        keep = np.arange(len(left)) != next_
        left, cost, source = left[keep], cost[keep], source[keep]
        count = max(1, round(float(np.linalg.norm(target - tree.points[node])) / growth.step))
        share = (np.arange(1, count + 1) / count)[:, None]
        path = growth.aside(tree.points[node] * (1 - share) + target * share)
        fresh = []
        for point in path:
            length = float(np.linalg.norm(point - tree.points[node]))
            ways.append(ways[node] + length)
            node = tree.add(point, node, lobe, segment)
            fresh.append(node)


def _ways(tree: Tree) -> list[float]:
    """The way from each node to the root, mm."""
    ways: list[float] = []
    for node, parent in enumerate(tree.parents):
        length = float(np.linalg.norm(tree.points[node] - tree.points[parent])) if parent >= 0 else 0.0
        ways.append(length + (ways[parent] if parent >= 0 else 0.0))
    return ways


def _price(tree: Tree, node: int, way: float, targets: Points, growth: Growth) -> Points:
    """What a branch from a node to each of the targets (n, 3) costs, mm."""
    gap = targets - tree.points[node]
    length = np.linalg.norm(gap, axis=1)
    turn = 1.0 - gap @ _heading(tree, node) / (length + 1e-9)
    return np.asarray(length * (1.0 + growth.turning * turn) + growth.direct * (way + length))


def _heading(tree: Tree, node: int) -> Points:
    above = tree.parents[node]
    return _unit(tree.points[node] - tree.points[above]) if above >= 0 else np.zeros(3)


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


def smooth(tree: Tree, times: int, first: int = 0) -> None:
    """Move the inner nodes of the lobes towards their neighbours; central ones, tips, those before ``first`` stay."""
    points, parents = tree.arrays()
    has_parent = parents >= 0
    movable = has_parent & (np.array(tree.lobes) > 0) & (np.arange(len(tree)) >= first)
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
    """Radii, mm: ``tip`` where the last branches begin, parent^e = sum of children^e, never above ``largest``."""
    return np.asarray(np.minimum(tip * leaves_below(tree) ** (1.0 / exponent), largest))


def tapered(tree: Tree, radii: NDArray[np.float64], least: float = 0.15) -> NDArray[np.float64]:
    """Radii, mm, of a tree whose last branches thin out to a share ``least`` of their radius at the tips.

    What a scan can still show of a vessel ends so, not with a blunt end: it goes on giving off what no scan shows.
    """
    leaves = leaves_below(tree)
    gone = np.zeros(len(tree))  # nodes of the last branch up to each, itself included
    for node, parent in enumerate(tree.parents):
        if parent >= 0 and leaves[node] == 1:
            gone[node] = gone[parent] + 1 if leaves[parent] == 1 else 1
    whole = gone.copy()  # nodes of the last branch that each lies on
    for node in range(len(tree) - 1, 0, -1):
        parent = tree.parents[node]
        if parent >= 0 and gone[node] > 1:
            whole[parent] = whole[node]
    return np.asarray(radii * (1.0 - (1.0 - least) * gone / np.maximum(whole, 1)))


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
    return _never_growing(result, tree)


def widened(
    radii: NDArray[np.float64], tree: Tree, trunk: float, exponent: float, branches: int = 4
) -> NDArray[np.float64]:
    """Radii with vessels wider towards the root, though far from all of their branches are drawn.

    Unlike :func:`central`, which widens named vessels alone, this leaves no step where they begin.

    Args:
        radii: after Murray, mm.
        tree: its nodes.
        trunk: mm, at the root. Vessels that feed one of ``branches`` equal shares of all tips, or more, get their share
            of it; those that feed fewer stay near ``radii``.
        exponent: of Murray's law.
        branches: see trunk.

    Returns:
        Radii that never grow from parent to child.
    """
    leaves = leaves_below(tree)
    share = trunk * (leaves / leaves[0]) ** (1.0 / exponent)
    weight = np.clip(np.log(leaves) / np.log(max(leaves[0] / branches, 2.0)), 0.0, 1.0) ** 4
    result = np.where(share > radii, radii ** (1.0 - weight) * share**weight, radii)
    return _never_growing(result, tree)


def _never_growing(radii: NDArray[np.float64], tree: Tree) -> NDArray[np.float64]:
    """Radii of which none is larger than the parent's."""
    result = radii.copy()
    for node, parent in enumerate(tree.parents):
        if parent >= 0:
            result[node] = min(result[node], result[parent])
    return result
