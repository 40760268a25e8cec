"""Short side branches of pulmonary vessels that follow no airway.

They leave at a wide angle and feed the lung beside the vessel; there are more of them than of the branches that run
with the airways (Elliott and Reid 1965). Without them a tree is as long as a real one with half its branchings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pulmomap.phantom.growth import Points, Tree
from pulmomap.phantom.separation import Obstacles


@dataclass(frozen=True)
class Twigs:
    """mm.

    Attributes:
        every: mean distance along the vessels between two side branches.
        shortest, longest: their length beyond the parent's surface.
        clearance: kept from the surfaces of other trees.
        thickest: parents of a larger radius carry none.
        forked: the share of them that divides once more. spread: tangent of the fork's half angle.
        radius: from and to.
    """

    every: float = 4.0
    shortest: float = 2.6
    longest: float = 5.4
    clearance: float = 1.0
    thickest: float = 6.0
    forked: float = 0.85
    spread: float = 0.9
    radius: tuple[float, float] = (0.4, 0.62)


Inside = Callable[[Points], NDArray[np.bool_]]


def sprout(
    tree: Tree, radii: Points, twigs: Twigs, inside: Inside, others: Obstacles, rng: np.random.Generator
) -> Points:
    """Add side branches in the lobes to ``tree``; returns the radii of all its nodes, mm.

    Args:
        tree: grows. Only nodes of a lobe carry twigs.
        radii: at its nodes, mm.
        twigs: how many and how long.
        inside: whether points (n, 3) lie where a twig may end.
        others: what must not be touched.
        rng: draws places and directions.
    """
    points, parents = tree.arrays()
    along = points - points[np.maximum(parents, 0)]
    length = np.linalg.norm(along, axis=1)
    chance = np.where((np.array(tree.lobes) > 0) & (radii < twigs.thickest), length / twigs.every, 0.0)
    chosen = np.flatnonzero(rng.random(len(tree)) < chance)
    across = rng.normal(size=(len(chosen), 3))
    unit = along[chosen] / (length[chosen, None] + 1e-9)
    across -= (across * unit).sum(axis=1, keepdims=True) * unit
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    # A little forward of the right angle, as the flow goes.
    direction = across + unit * rng.uniform(0.0, 0.7, (len(chosen), 1))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    reach = radii[chosen] + rng.uniform(twigs.shortest, twigs.longest, len(chosen))
    forks = _forks(points[chosen], direction, reach, twigs.spread, rng)
    free = np.ones(len(chosen), dtype=bool)
    for places in forks:
        free &= inside(places)
        start = points[chosen] if places is forks[0] else forks[0]
        for part in (0.35, 0.7, 1.0):
            free &= others.gap(start + part * (places - start))[0] > twigs.clearance
    own = cKDTree(points)
    free &= own.query(forks[1])[0] > 0.5 * reach
    forked = rng.random(len(chosen)) < twigs.forked
    thickness = np.minimum(rng.uniform(*twigs.radius, len(chosen)), 0.9 * radii[chosen])
    grown = list(radii)
    for place in np.flatnonzero(free):
        node = int(chosen[place])
        lobe, segment = tree.lobes[node], tree.segments[node]
        middle = tree.add(forks[0][place], node, lobe, segment)
        grown.append(thickness[place])
        for fork in forks[1:] if forked[place] else forks[1:2]:
            tree.add(fork[place], middle, lobe, segment)
            grown.append(0.79 * thickness[place])  # two equal arms after Murray
    return np.array(grown)


def _forks(start: Points, direction: Points, reach: Points, spread: float, rng: np.random.Generator) -> list[Points]:
    """Where twigs divide, and their two tips: three lists (n, 3)."""
    middle = start + direction * (0.6 * reach)[:, None]
    aside = np.cross(direction, rng.normal(size=direction.shape))
    aside /= np.linalg.norm(aside, axis=1, keepdims=True) + 1e-9
    return [middle] + [middle + (direction + side * spread * aside) * (0.45 * reach)[:, None] for side in (0.7, -1.0)]
