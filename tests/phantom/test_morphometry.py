"""Measures of trees against trees whose measures are known."""

from __future__ import annotations

import numpy as np
import pytest

from pulmomap.phantom.growth import Tree
from pulmomap.phantom.morphometry import artery_to_bronchus, murray_exponent, overlap, ratios, strahler
from pulmomap.phantom.separation import Tubes, tubes
from pulmomap.phantom.space import Branching


def binary_tree(depth: int, length: float = 0.7, exponent: float = 3.0) -> Branching:
    """Every branch divides into two equal ones, shorter by ``length``, thinner after Murray."""
    tree, radii = Tree(), [1.0]
    ends = [tree.add(np.zeros(3), -1)]
    for level in range(depth):
        following = []
        for end in ends:
            for side in (-1.0, 1.0):
                step = np.array([side * length**level, 0.0, length**level])
                following.append(tree.add(tree.points[end] + step, end))
                radii.append(2.0 ** (-(level + 1) / exponent))
        ends = following
    return Branching(tree, np.array(radii), np.zeros(len(tree), dtype=np.uint8))


def test_strahler_orders_of_a_binary_tree_and_of_a_twig() -> None:
    branching = binary_tree(4)
    orders = strahler(branching.tree)
    assert orders[0] == 5
    assert np.bincount(orders)[1:].tolist() == [16, 8, 4, 2, 1]
    branching.tree.add(np.ones(3), 0)  # a twig does not raise the order of what it leaves
    assert strahler(branching.tree)[0] == 5


def test_ratios_of_a_regular_tree() -> None:
    assert ratios(binary_tree(6), 3).length == pytest.approx(1 / 0.7, rel=1e-6)
    found = ratios(binary_tree(6))
    assert found.orders == 7
    assert found.branching == pytest.approx(2.0, rel=1e-6)
    assert found.diameter == pytest.approx(2 ** (1 / 3), rel=1e-6)
    assert found.length == pytest.approx(1 / 0.7, rel=1e-6)


@pytest.mark.parametrize("exponent", [2.0, 2.7, 3.0])
def test_murray_exponent_is_found_again(exponent: float) -> None:
    assert murray_exponent(binary_tree(4, exponent=exponent)) == pytest.approx(exponent, abs=0.02)


def test_artery_beside_its_bronchus() -> None:
    airway, artery = Tree(), Tree()
    airway.line([np.zeros(3), np.array([0.0, 0.0, 30.0])], -1, lobe=1, segment=1)
    artery.line([np.array([3.5, 0.0, 0.0]), np.array([3.5, 0.0, 30.0])], -1, lobe=1)
    bronchus = Branching(airway, np.full(len(airway), 1.5), np.zeros(len(airway), dtype=np.uint8))
    companion = Branching(artery, np.full(len(artery), 2.2), np.zeros(len(artery), dtype=np.uint8))
    assert artery_to_bronchus(bronchus, np.full(len(airway), 0.7), companion) == pytest.approx(1.0)


def test_overlap_of_crossing_and_of_parallel_tubes() -> None:
    def straight(start: list[float], end: list[float], radius: float) -> Tubes:
        tree = Tree()
        tree.line([np.array(start), np.array(end)], -1)
        return tubes(tree, np.full(len(tree), radius))

    post = straight([0.0, 0.0, -20.0], [0.0, 0.0, 20.0], 2.0)
    assert overlap(post, straight([-20.0, 1.0, 0.0], [20.0, 1.0, 0.0], 1.5)) == pytest.approx(2.5, abs=0.1)
    assert overlap(post, straight([4.0, 0.0, -20.0], [4.0, 0.0, 20.0], 1.0)) < 0.0
