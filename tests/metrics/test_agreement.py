"""Kappa of two and of several readers: published tables, an independent formula, the order of labels."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulmomap.metrics.agreement import cohen_kappa, fleiss
from tests.metrics import published

SCALE = [1, 2, 3, 4, 5]
GRADES = st.sampled_from(SCALE)


def test_fleiss_of_the_classic_table() -> None:
    result = fleiss(published.FLEISS)
    assert round(result.value, 4) == 0.2099
    assert (result.n, result.raters) == (10, 14)


def test_chance_agreement_of_three_readers_on_two_hundred_images() -> None:
    """The readers of the CycleGAN paper called 118, 179 and 159 of 200 images real: chance alone agrees by .6352."""
    counts = np.zeros((200, 2), dtype=int)
    for real in (118, 179, 159):
        counts[:real, 0] += 1
        counts[real:, 1] += 1
    result = fleiss(counts)
    assert round(result.expected, 4) == 0.6352
    agree = (counts * (counts - 1)).sum() / (200 * 3 * 2)
    assert result.value == pytest.approx((agree - 0.6352) / (1 - 0.6352), abs=1e-12)


def test_cohen_of_the_grant_proposals() -> None:
    """The textbook example: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no; agreement .7, chance .5, kappa .4."""
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    result = cohen_kappa(first, second, ["yes", "no"])
    assert result.value == pytest.approx(0.4)
    assert result.interval[0] < 0.4 < result.interval[1]


def by_hand(first: list[int], second: list[int], power: int | None) -> float:
    """1 - observed / expected disagreement, pair by pair (Cohen 1968)."""

    def disagreement(a: int, b: int) -> float:
        return float(a != b) if power is None else abs(a - b) ** power

    observed = np.mean([disagreement(a, b) for a, b in zip(first, second, strict=True)])
    expected = np.mean([disagreement(a, b) for a in first for b in second])
    return float(1 - observed / expected)


@pytest.mark.parametrize(("weights", "power"), [(None, None), ("linear", 1), ("quadratic", 2)])
@settings(deadline=None, max_examples=40)
@given(pairs=st.lists(st.tuples(GRADES, GRADES), min_size=2, max_size=20))
def test_cohen_is_that_of_the_definition(
    pairs: list[tuple[int, int]], weights: Literal["linear", "quadratic"] | None, power: int | None
) -> None:
    first, second = (list(answers) for answers in zip(*pairs, strict=True))
    result, swapped = cohen_kappa(first, second, SCALE, weights), cohen_kappa(second, first, SCALE, weights)
    if len({*first, *second}) == 1:
        assert math.isnan(result.value)
        return
    assert result.value == pytest.approx(by_hand(first, second, power), abs=1e-12)
    assert result.value == pytest.approx(swapped.value, abs=1e-12)


def test_distance_is_that_on_the_whole_scale() -> None:
    """2 never occurs: 1 and 3 are still two apart."""
    first, second = [1, 3, 5, 5], [1, 1, 4, 5]
    assert cohen_kappa(first, second, SCALE, "linear").value == pytest.approx(by_hand(first, second, 1))
    assert cohen_kappa(first, second, [1, 3, 4, 5], "linear").value != pytest.approx(by_hand(first, second, 1))


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=2, max_size=12), st.permutations(range(4))
)
def test_labels_items_and_readers_have_no_order(answers: list[list[int]], order: list[int]) -> None:
    counts = np.array([np.bincount(item, minlength=4) for item in answers])
    one = fleiss(counts)
    other = fleiss(counts[::-1, order])
    assert one.expected == pytest.approx(other.expected)
    assert one.value == pytest.approx(other.value, nan_ok=True)
    if not math.isnan(one.value):
        assert -1 / 3 - 1e-12 <= one.value <= 1
    first, second = [item[0] for item in answers], [item[1] for item in answers]
    renamed = [[order[answer] for answer in reader] for reader in (first, second)]
    plain, relabelled = cohen_kappa(first, second, range(4)), cohen_kappa(*renamed, range(4))
    assert plain.value == pytest.approx(relabelled.value, nan_ok=True)


def test_full_agreement_is_one() -> None:
    assert fleiss([[3, 0], [0, 3], [3, 0]]).value == 1
    assert cohen_kappa([1, 2, 5], [1, 2, 5], SCALE, "quadratic").value == 1


def test_one_category_throughout_says_nothing() -> None:
    assert math.isnan(fleiss([[3, 0], [3, 0]]).value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cohen_kappa([1, 9], [1, 2], SCALE), "9: not on the scale 1, 2, 3, 4, 5"),
        (lambda: cohen_kappa([1], [1, 2], SCALE), "answered 1 and 2 items"),
        (lambda: cohen_kappa([], [], SCALE), "answered 0 and 0 items"),
        (lambda: fleiss([[2, 1], [3, 1]]), "item 1 has 4 answers and item 0 has 3"),
        (lambda: fleiss([[1, 0], [0, 1]]), "two readers or more"),
        (lambda: fleiss([]), r"shape \(0,\)"),
    ],
)
def test_bad_input_is_named(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
