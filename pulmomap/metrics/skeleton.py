"""The centre lines of a vessel mask as a graph: length, bifurcations, branches, spurs.

The mask is thinned to 26-connected curves. A skeleton voxel with three or more skeleton voxels around it is a junction;
junction voxels that touch form one bifurcation. What is left between and beyond the bifurcations are the branches.

Thinning works on voxels, whatever their spacing; bring both masks of a comparison onto one grid before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import edt
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from pulmomap.metrics.region import bounding_box
from pulmomap.metrics.thinning import thinned

SPUR_VOXELS = 3
"""Ends shorter than this are roughness of the mask."""

_AROUND = [step for step in product((-1, 0, 1), repeat=3) if any(step)]
_HALF = [step for step in _AROUND if step > (0, 0, 0)]
"""One of each pair of opposite steps to the 26 neighbours."""

Points = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Skeleton:
    """Voxels of a skeleton and which of them touch.

    Attributes:
        points: (n, 3) indices (slice, row, column), in storage order.
        spacing: mm between voxel centres along each axis.
    """

    points: Points
    spacing: tuple[float, float, float]

    @property
    def voxels(self) -> int:
        return len(self.points)

    @cached_property
    def edges(self) -> Points:
        """(m, 2) pairs of positions in ``points`` that touch by a face, an edge or a corner."""
        if not self.voxels:
            return np.empty((0, 2), np.intp)
        shape = self.points.max(axis=0) + 3  # one voxel of room on all sides, so that no step wraps around
        keys = np.ravel_multi_index(tuple((self.points + 1).T), tuple(shape))
        pairs = []
        for step in _HALF:
            wanted = keys + int(np.dot(step, [shape[1] * shape[2], shape[2], 1]))
            at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            pairs.append(np.column_stack([np.flatnonzero(keys[at] == wanted), at[keys[at] == wanted]]))
        return np.concatenate(pairs)

    @property
    def neighbours(self) -> tuple[list[int], list[int]]:
        """Positions in ``points`` of all neighbours, voxel after voxel; and where those of each voxel start (n + 1)."""
        both = np.concatenate([self.edges, self.edges[:, ::-1]])
        both = both[np.argsort(both[:, 0], kind="stable")]
        return both[:, 1].tolist(), np.searchsorted(both[:, 0], np.arange(self.voxels + 1)).tolist()

    @cached_property
    def steps(self) -> npt.NDArray[np.float64]:
        """(m,) mm from voxel centre to voxel centre, of each edge."""
        ends = self.points[self.edges] * np.asarray(self.spacing)
        steps: npt.NDArray[np.float64] = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
        return steps

    @cached_property
    def degree(self) -> Points:
        """(n,) neighbours of each voxel."""
        return np.bincount(self.edges.ravel(), minlength=self.voxels)

    @cached_property
    def bifurcation_of(self) -> Points:
        """(n,) number of the bifurcation a junction voxel belongs to, from 0; -1 for the other voxels."""
        return self._groups(self.degree >= 3)

    @cached_property
    def branch_of(self) -> Points:
        """(n,) number of the branch a voxel belongs to, from 0; -1 for junction voxels."""
        return self._groups(self.degree < 3)

    @property
    def bifurcations(self) -> int:
        """The branch count (BC) of the HiPaS paper."""
        return int(self.bifurcation_of.max(initial=-1)) + 1

    @property
    def branches(self) -> int:
        return int(self.branch_of.max(initial=-1)) + 1

    @property
    def length(self) -> float:
        """mm along the curves: the edges of the minimum spanning forest, so that a corner is not counted twice.

        A closed loop lacks its last step.
        """
        return float(minimum_spanning_tree(self._graph(self.edges, self.steps)).sum())

    def part(self, chosen: npt.NDArray[np.bool_]) -> Skeleton:
        """Only the points that are chosen (n,)."""
        return Skeleton(self.points[chosen], self.spacing)

    def _groups(self, chosen: npt.NDArray[np.bool_]) -> Points:
        """Connected groups of the chosen voxels, numbered in storage order; -1 elsewhere."""
        edges = self.edges[chosen[self.edges].all(axis=1)]
        labels = connected_components(self._graph(edges, np.ones(len(edges))), directed=False)[1]
        groups = np.full(self.voxels, -1, np.intp)
        groups[chosen] = np.unique(labels[chosen], return_inverse=True)[1]
        return groups

    def _graph(self, edges: Points, weights: npt.NDArray[np.float64]) -> Any:
        ends = tuple(edges.astype(np.int32).T)  # scipy's spanning tree takes no other indices
        return coo_array((weights, ends), shape=(self.voxels, self.voxels)).tocsr()


def skeletonise(mask: npt.NDArray[Any], spacing: Sequence[float], prune: bool = True) -> Skeleton:
    """Thin a mask to its centre lines.

    Args:
        mask: 3D; voxels other than 0 belong to it. Only its bounding box is thinned.
        spacing: mm between voxel centres along each axis.
        prune: remove spurs, see :func:`pruned`.

    Raises:
        ValueError: mask or spacing are not three-dimensional.
    """
    if mask.ndim != 3 or len(spacing) != 3:
        raise ValueError(f"the spacing {tuple(spacing)} mm does not fit a volume of {mask.shape} voxels")
    box = bounding_box(mask)
    body = np.pad(mask[box].astype(bool), 1)
    first, second, third = (float(one) for one in spacing)
    # In units of the smallest spacing: equal depths must be equal to the last bit, whatever the scale, for they decide.
    unit = min(first, second, third)
    ratios = round(first / unit, 6), round(second / unit, 6), round(third / unit, 6)
    depth = edt.edt(body, anisotropy=ratios, parallel=1)
    thin = thinned(body, depth)
    skeleton = Skeleton(np.argwhere(thin) - 1 + [part.start for part in box], (first, second, third))
    return pruned(skeleton, depth[thin].astype(np.float64) * unit) if prune else skeleton


def pruned(skeleton: Skeleton, radii: npt.NDArray[np.float64]) -> Skeleton:
    """Remove spurs, again and again until none is left: a branch that is one may hide another.

    A spur is a branch with a free end at one bifurcation that has fewer than :data:`SPUR_VOXELS` voxels or is shorter
    (mm, up to the bifurcation) than the vessel's radius there. Neither the connected parts nor the loops change.

    Args:
        skeleton: to prune.
        radii: (n,) mm to the mask's outside, at each point.
    """
    while True:
        spurs = _spurs(skeleton, radii)
        if not spurs.any():
            return skeleton
        keep = ~spurs & ~_stubs(skeleton, spurs)
        skeleton, radii = skeleton.part(keep), radii[keep]


def _spurs(skeleton: Skeleton, radii: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """(n,) which voxels belong to a spur."""
    branch, edges, count = skeleton.branch_of, skeleton.edges, skeleton.branches
    ends = np.zeros(count, bool)
    ends[branch[(skeleton.degree == 1) & (branch >= 0)]] = True
    # A branch is a path: the steps of its edges, the one to the bifurcation included, add up to its length.
    inside = branch[edges].max(axis=1, initial=-1)
    lengths = np.bincount(inside[inside >= 0], skeleton.steps[inside >= 0], count)
    both = np.concatenate([edges, edges[:, ::-1]])
    links = both[(branch[both[:, 0]] >= 0) & (branch[both[:, 1]] < 0)]
    reach = np.full(count, -1.0)
    np.maximum.at(reach, branch[links[:, 0]], radii[links[:, 1]])
    sizes = np.bincount(branch[branch >= 0], minlength=count)
    spur = ends & (reach >= 0) & ((sizes < SPUR_VOXELS) | (lengths < reach))
    doomed: npt.NDArray[np.bool_] = np.append(spur, False)[branch]  # -1, a junction voxel, takes the last
    return doomed


def _stubs(skeleton: Skeleton, spurs: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(n,) which junction voxels are not needed to hold together what remains without the spurs."""
    feet = np.unique(skeleton.edges[spurs[skeleton.edges].any(axis=1)])
    feet = feet[~spurs[feet]]
    group = skeleton.bifurcation_of
    rest = np.setdiff1d(np.flatnonzero(np.isin(group, group[feet])), feet)
    ends, starts = skeleton.neighbours
    left = (~spurs).tolist()
    stubs = np.zeros(skeleton.voxels, bool)
    for number in (*feet.tolist(), *rest.tolist()):  # in turn: two that stand in for each other must not both go
        near = [other for other in ends[starts[number] : starts[number + 1]] if left[other]]
        if len(near) > 1 and _touching(near, ends, starts):
            left[number] = False
            stubs[number] = True
    return stubs


def _touching(chosen: list[int], ends: list[int], starts: list[int]) -> bool:
    """Whether the chosen voxels form one 26-connected group; neighbours as in :attr:`Skeleton.neighbours`."""
    waiting, reached = set(chosen[1:]), [chosen[0]]
    while reached and waiting:
        here = reached.pop()
        found = waiting.intersection(ends[starts[here] : starts[here + 1]])
        waiting -= found
        reached.extend(found)
    return not waiting
