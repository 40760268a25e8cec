"""Tubes that do not run through each other.

Branching by branching, tubes grow without knowing how thick their neighbours will be. Here the later tree gives way to
what stands already: airways push arteries aside, both push veins aside. What cannot give way, a tip in a corner, is
taken off the tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pulmomap.phantom.growth import Points, Tree, leaves_below

# Tubes are sampled this densely along their axes, mm: below the thinnest radius sum.
SPACING = 0.9
# Neighbours are looked up among tubes of like thickness, so that a thin one nearby never hides a thick one behind it.
THICKNESS = (0.0, 1.2, 2.4, 4.8, 7.2, 10.0, np.inf)
# All tubes are looked at so many times; between two looks, those within MARGIN mm of touching are moved so many times.
LOOKS, ROUNDS, MARGIN = 6, 7, 0.4
# A search reaches this far for most points, mm.
NARROW = 3.5
# No node moves further in a round, mm.
STRIDE = 1.0
# An edge that is this much longer than before draws its ends together, by this share of the excess in a round.
STRETCH, TENSION = 1.5, 0.3
# Beyond this many tips a branch is too much to lose for a touch: it is thinned, to no less than this radius, mm.
EXPENDABLE, THINNEST = 12, 0.5


@dataclass(frozen=True)
class Tubes:
    """Points along the axes of a tree.

    Attributes:
        points: (n, 3) LPS mm. radii: (n,) mm.
        node: the lower end of the edge that each point lies on. share: how far along it, in (0, 1].
    """

    points: Points
    radii: Points
    node: NDArray[np.int64]
    share: Points


def tubes(tree: Tree, radii: Points, wall: Points | float = 0.0, only: NDArray[np.bool_] | None = None) -> Tubes:
    """Sample the edges of a tree; between lobar and central nodes the radius is the lower one's, else it is graded.

    Args:
        tree: its edges.
        radii: at its nodes, mm. wall: added to them.
        only: the lower nodes (n,) of the edges wanted; all without it.
    """
    points, parents = tree.arrays()
    thickness = np.asarray(radii + wall, dtype=float)
    lobes = np.array(tree.lobes)
    ends = np.flatnonzero(parents >= 0 if only is None else (parents >= 0) & only)
    starts = parents[ends]
    length = np.linalg.norm(points[ends] - points[starts], axis=1)
    counts = np.maximum(1, np.ceil(length / SPACING)).astype(int)
    node = np.repeat(ends, counts)
    number = np.arange(len(node)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    share = number / np.repeat(counts, counts)
    before = parents[node]
    upper = np.where(lobes[before] == lobes[node], thickness[before], thickness[node])
    along = share[:, None]
    return Tubes(
        points[before] * (1 - along) + points[node] * along, upper * (1 - share) + thickness[node] * share, node, share
    )


class Obstacles:
    """Tubes that stand where they are."""

    def __init__(self, standing: Sequence[Tubes]) -> None:
        points = np.concatenate([one.points for one in standing])
        radii = np.concatenate([one.radii for one in standing])
        self._classes: list[tuple[cKDTree, Points, Points]] = []
        for thin, thick in pairwise(THICKNESS):
            inside = (radii >= thin) & (radii < thick)
            if inside.any():
                self._classes.append((cKDTree(points[inside]), points[inside], radii[inside]))

    def aside(self, clearance: float) -> Callable[[Points], Points]:
        """What moves points (n, 3) to ``clearance`` mm from every surface."""

        def moved(points: Points) -> Points:
            gap, away = self.gap(points)
            return np.asarray(points + np.maximum(clearance - gap, 0.0)[:, None] * away)

        return moved

    def gap(self, points: Points, within: Points | float = 8.0) -> tuple[Points, Points]:
        """The distance (n,) to the nearest surface, mm, and the direction (n, 3) away from it.

        The distance is negative inside and infinite where no surface is ``within`` reach, mm.
        """
        nearest, away = np.full(len(points), np.inf), np.zeros((len(points), 3))
        for which, gap, direction in self._neighbours(points, np.broadcast_to(within, len(points))):
            closer = gap < nearest[which]
            nearest[which[closer]], away[which[closer]] = gap[closer], direction[closer]
        return nearest, away

    def push(self, points: Points, clearance: Points) -> Points:
        """How far (n, 3) points must move to be ``clearance`` (n,) mm from every surface, summed over all sides."""
        total = np.zeros((len(points), 3))
        for which, gap, direction in self._neighbours(points, clearance):
            total[which] += np.maximum(clearance[which] - gap, 0.0)[:, None] * direction
        return total

    def room(self, points: Points, within: Points) -> Points:
        """The distance (n,) to the nearest surface, mm, with every tube ``within`` (n,) reach looked at.

        ``gap`` asks the nearest axis of each class of thickness, and so may overlook a tube that is a little farther
        and a little thicker. This takes longer.
        """
        nearest = np.full(len(points), np.inf)
        for tree, centres, radii in self._classes:
            found = tree.query_ball_point(points, within + radii.max())
            which = np.repeat(np.arange(len(points)), [len(one) for one in found])
            centre = np.fromiter(chain.from_iterable(found), dtype=np.int64, count=len(which))
            np.minimum.at(nearest, which, np.linalg.norm(points[which] - centres[centre], axis=1) - radii[centre])
        return nearest

    def _neighbours(self, points: Points, within: Points) -> Iterator[tuple[NDArray[np.int64], Points, Points]]:
        """For each class of thickness: which points have a neighbour, the gap, the direction away from it."""
        # Most tubes are thin and look no further than they must: a search takes as long as its reach.
        for group in (np.flatnonzero(within <= NARROW), np.flatnonzero(within > NARROW)):
            reach = within[group].max(initial=0.0)
            for tree, centres, radii in self._classes:
                most = reach + radii.max()
                # Thick tubes fill a small box: most points are not even near that.
                near = ((points[group] > tree.mins - most) & (points[group] < tree.maxes + most)).all(axis=1)
                close = group[near]
                distance, nearest = tree.query(points[close], distance_upper_bound=most)
                found = np.flatnonzero(np.isfinite(distance))
                which, distance, nearest = close[found], distance[found], nearest[found]
                yield which, distance - radii[nearest], (points[which] - centres[nearest]) / (distance[:, None] + 1e-9)


def give_way(
    tree: Tree,
    radii: Points,
    obstacles: Obstacles,
    gap: float,
    fixed: NDArray[np.bool_],
    rng: np.random.Generator,
    keep: Callable[[Tree], None] = lambda _: None,
) -> None:
    """Move the nodes of ``tree`` until its tubes stay ``gap`` mm clear of the obstacles, or cannot.

    Args:
        tree: moved in place.
        radii: at its nodes, mm.
        obstacles: what stands.
        gap: mm between the surfaces.
        fixed: (n,) nodes that stay.
        rng: breaks ties.
        keep: called every few rounds, to keep the tree inside its other bounds.
    """
    parents = np.array(tree.parents)
    rest = STRETCH * _lengths(np.array(tree.points), parents)
    for _ in range(LOOKS):
        axis = tubes(tree, radii)
        free = obstacles.gap(axis.points, axis.radii + gap + MARGIN)[0] - axis.radii - gap
        if (free > -0.02).all():
            return
        near = np.zeros(len(tree), dtype=bool)
        near[axis.node[free < MARGIN]] = True
        for _ in range(ROUNDS):
            if not _push(tree, tubes(tree, radii, only=near), obstacles, gap, rest, fixed, rng):
                break
        keep(tree)


def _push(
    tree: Tree,
    axis: Tubes,
    obstacles: Obstacles,
    gap: float,
    longest: Points,
    fixed: NDArray[np.bool_],
    rng: np.random.Generator,
) -> bool:
    """Move what touches once; whether anything did."""
    push = obstacles.push(axis.points, axis.radii + gap)
    touching = np.linalg.norm(push, axis=1) > 0.02
    if not touching.any():
        return False
    # The noise lets a tube that is held from both sides find the third.
    push = push[touching] + rng.normal(0.0, 0.1, (touching.sum(), 3))
    parents, points = np.array(tree.parents), np.array(tree.points)
    node, share = axis.node[touching], axis.share[touching]
    shift: Points = np.zeros((len(tree), 3))
    weight = np.full(len(tree), 1e-9)
    for ends, part in ((node, share), (parents[node], 1 - share)):
        np.add.at(shift, ends, push * part[:, None])
        np.add.at(weight, ends, part)
    shift /= np.maximum(weight, 0.3)[:, None]
    shift *= np.minimum(1.0, STRIDE / (np.linalg.norm(shift, axis=1, keepdims=True) + 1e-9))
    shift = _along_the_branch(shift, parents) + _tension(points, parents, longest)
    shift[fixed] = 0.0
    tree.points = list(points + shift)
    return True


def _lengths(points: Points, parents: NDArray[np.int64]) -> Points:
    return np.asarray(np.linalg.norm(points - points[np.maximum(parents, 0)], axis=1))


def _tension(points: Points, parents: NDArray[np.int64], longest: Points) -> Points:
    """What draws the ends of overlong edges together, mm."""
    shift = np.zeros(points.shape)
    over = np.flatnonzero(_lengths(points, parents) > longest + 1e-6)
    along = points[parents[over]] - points[over]
    length = np.linalg.norm(along, axis=1)
    pull = TENSION * along * (1.0 - longest[over] / length)[:, None]
    np.add.at(shift, over, pull)
    np.add.at(shift, parents[over], -pull)
    return shift


def _along_the_branch(shift: Points, parents: NDArray[np.int64]) -> Points:
    """Let the neighbours of a pushed node follow it half the way, so that branches bend and do not kink."""
    has_parent = parents >= 0
    below, above = np.flatnonzero(has_parent), parents[has_parent]
    follow = shift.copy()
    for one, other in ((below, above), (above, below)):
        pulled = 0.5 * shift[other]
        stronger = np.linalg.norm(pulled, axis=1) > np.linalg.norm(follow[one], axis=1)
        follow[one[stronger]] = pulled[stronger]
    return follow


def without_touching(tree: Tree, radii: Points, obstacles: Obstacles, gap: float) -> tuple[Tree, Points]:
    """The tree and radii with what still touches taken off, or thinned where much hangs on it.

    A thinned tube stays ``gap`` mm clear; no tube below it is wider.
    """
    axis = tubes(tree, radii)
    return _without(tree, radii, axis, obstacles.gap(axis.points, radii.max() + gap)[0] - gap)


def never_touching(tree: Tree, radii: Points, obstacles: Obstacles, gap: float) -> tuple[Tree, Points]:
    """The same with every pair of tubes looked at: the last word on a tree that is finished."""
    axis = tubes(tree, radii)
    return _without(tree, radii, axis, obstacles.room(axis.points, np.maximum(axis.radii + gap, 0.0)) - gap)


def _without(tree: Tree, radii: Points, axis: Tubes, free: Points) -> tuple[Tree, Points]:
    """``free``: the radius (n,) for which each point of the axis has room, mm."""
    lobes, parents = np.array(tree.lobes), np.array(tree.parents)
    over = free < axis.radii - 0.05
    room = np.full(len(tree), np.inf)
    np.minimum.at(room, axis.node[over], free[over])
    lost = np.isfinite(room) & ((leaves_below(tree) <= EXPENDABLE) | (room < THINNEST)) & (lobes > 0)
    room[lost] = np.inf
    thinned = np.flatnonzero(np.isfinite(room))
    # The upper end of a thinned edge is as thin: radii are graded along it.
    np.minimum.at(room, parents[thinned], room[thinned])
    thinner = np.minimum(radii, np.maximum(room, THINNEST))
    result, index = Tree(), np.full(len(tree), -1)
    kept: list[float] = []
    for node, parent in enumerate(tree.parents):
        if lost[node] or (parent >= 0 and index[parent] < 0):
            continue
        above = int(index[parent]) if parent >= 0 else -1
        index[node] = result.add(tree.points[node], above, tree.lobes[node], tree.segments[node])
        kept.append(min(thinner[node], kept[above]) if above >= 0 else thinner[node])
    return result, np.array(kept)
