"""Generations of a tree, and the four nested vessel levels of the HiPaS paper.

Level 0: central trunks; 1: the hilum, one or two generations; 2: the next three; 3: everything beyond.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pulmomap.phantom.growth import Tree

# A side branch thinner than this share of its parent leaves the generation of the main branch as it is.
BRANCHING = 0.4
# The last generation of each level but the outermost: trunk and main vessels, lobar and segmental, three more.
LAST_GENERATION = (1, 3, 6)


def generations(tree: Tree, radii: NDArray[np.float64]) -> NDArray[np.int64]:
    """Bifurcations between each node and the root, (n,).

    A side branch counts one more than its parent. The main branch goes on in its parent's generation past thin side
    branches, and counts one more where the second branch is at least ``BRANCHING`` of the parent's radius.
    """
    children: list[list[int]] = [[] for _ in range(len(tree))]
    for node, parent in enumerate(tree.parents):
        if parent >= 0:
            children[parent].append(node)
    result = np.zeros(len(tree), dtype=np.int64)
    for node, below in enumerate(children):
        ordered = sorted(below, key=lambda child: -radii[child])
        divides = len(ordered) > 1 and radii[ordered[1]] >= BRANCHING * radii[node]
        for rank, child in enumerate(ordered):
            result[child] = result[node] + int(divides or rank > 0)
    return result


def levels(tree: Tree, radii: NDArray[np.float64]) -> NDArray[np.uint8]:
    """HiPaS level of each node, (n,), 0 to 3."""
    return np.asarray(np.searchsorted(LAST_GENERATION, generations(tree, radii)), dtype=np.uint8)
