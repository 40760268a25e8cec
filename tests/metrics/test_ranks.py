"""Rank tests against published examples, scipy called another way, and what must hold for any numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pulmomap.metrics.ranks import differences, friedman, mann_whitney, signed_rank
from tests.metrics import published

GRADES = st.integers(1, 5).map(float)
PAIRS = st.lists(st.tuples(GRADES, GRADES), min_size=1, max_size=25)


def continuity_p(z: float, sd: float) -> float:
    """What R prints by default: half a rank towards the mean."""
    return float(2 * stats.norm.sf(abs(z) - 0.5 / sd))


# Table 3 of the Enhance-GAN paper: set 1 has 42 patients, set 2 has 40. Each printed Z belongs to a whole rank sum
# without continuity correction; the printed p beside it is the exact one (.0009 is that of Z, .0006 that of the ranks).
@pytest.mark.parametrize(
    ("n", "positive", "z", "p", "exact"),
    [
        (42, 232, -2.745, 0.0061, 0.005),
        (42, 239, -2.657, 0.0079, 0.007),
        (40, 199, -2.836, 0.0046, 0.004),
        (40, 191, -2.944, 0.0032, 0.003),
        (40, 162, -3.333, 0.0009, 0.001),
    ],
)
def test_signed_rank_finds_the_printed_z(n: int, positive: int, z: float, p: float, exact: float) -> None:
    test = signed_rank(published.with_positive_ranks(n, positive))
    assert round(test.z, 3) == z
    assert round(test.p, 4) == p
    assert test.p_exact is not None
    assert round(test.p_exact, 3) == exact
    assert test.w == positive


def test_signed_rank_of_student_sleep() -> None:
    """R: ``wilcox.test(extra ~ group, paired)``: V = 0, p-value = 0.009091; one zero and one tie, so none exact."""
    test = signed_rank(differences(published.SLEEP_1, published.SLEEP_2))
    assert (test.n, test.positive, test.negative, test.p_exact) == (9, 0.0, 45.0, None)
    sd = np.sqrt(9 * 10 * 19 / 24 - (2**3 - 2) / 48)
    assert test.z == pytest.approx(-22.5 / sd, rel=1e-12)
    assert continuity_p(test.z, sd) == pytest.approx(0.009091, abs=5e-7)
    assert test.rank_biserial == -1


def test_signed_rank_of_depression_scores() -> None:
    """R: V = 40, one-sided exact p-value = 0.01953."""
    test = signed_rank(differences(published.DEPRESSION_1, published.DEPRESSION_2))
    assert test.positive == 40
    assert test.p_exact == pytest.approx(2 * 0.01953125, rel=1e-12)
    assert test.rank_biserial == pytest.approx(35 / 45)
    assert test.z > 0


def test_subtraction_noise_breaks_no_tie() -> None:
    first, second = [0.3, 0.8, 1.1, 5.0], [0.1, 0.6, 0.9, 4.0]
    assert len({a - b for a, b in zip(first, second, strict=True)}) == 3
    assert differences(first, second).tolist() == [0.2, 0.2, 0.2, 1.0]
    assert differences([1e-9, 3e-9], [0.0, 0.0]).tolist() == [1e-9, 3e-9]


@settings(deadline=None, max_examples=60)
@given(PAIRS)
def test_swapping_the_arms_turns_the_sign_alone(pairs: list[tuple[float, float]]) -> None:
    first, second = zip(*pairs, strict=True)
    one, other = signed_rank(differences(first, second)), signed_rank(differences(second, first))
    assert (one.p, one.p_exact, one.n, one.w) == (other.p, other.p_exact, other.n, other.w)
    assert one.z == pytest.approx(-other.z, abs=1e-12)
    assert one.rank_biserial == -other.rank_biserial


@settings(deadline=None, max_examples=60)
@given(PAIRS)
def test_signed_rank_agrees_with_scipy_in_any_order(pairs: list[tuple[float, float]]) -> None:
    first, second = zip(*pairs, strict=True)
    test = signed_rank(differences(first, second))
    if first == second:
        assert (test.z, test.p, test.w) == (0, 1, 0)
        return
    shuffled = np.random.default_rng(len(pairs)).permutation(np.array(pairs))
    expected = stats.wilcoxon(shuffled[:, 0], shuffled[:, 1], correction=False, method="asymptotic")
    assert (test.w, test.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert -abs(test.z) == pytest.approx(expected.zstatistic)


def test_friedman_of_rounding_times() -> None:
    """R: Friedman chi-squared = 11.143, df = 2, p-value = 0.003805."""
    result = friedman(dict(zip("abc", published.ROUNDING.T, strict=True)))
    assert (result.n, result.excluded, result.dof) == (22, 0, 2)
    assert result.chi2 == pytest.approx(11.143, abs=5e-4)
    assert result.p == pytest.approx(0.003805, abs=5e-7)
    assert [(pair.first, pair.second) for pair in result.post_hoc] == [("a", "b"), ("a", "c"), ("b", "c")]
    for pair, (i, j) in zip(result.post_hoc, [(0, 1), (0, 2), (1, 2)], strict=True):
        expected = stats.wilcoxon(
            np.round(published.ROUNDING[:, i] - published.ROUNDING[:, j], 6), correction=False, method="asymptotic"
        )
        assert pair.test.p == pytest.approx(expected.pvalue)
        assert pair.p_bonferroni == pytest.approx(min(1, 3 * expected.pvalue))


def test_friedman_leaves_out_incomplete_subjects_and_says_so() -> None:
    holed = published.ROUNDING.copy()
    holed[[3, 7], [0, 2]] = np.nan
    result = friedman(dict(zip("abc", holed.T, strict=True)))
    expected = stats.friedmanchisquare(*np.delete(published.ROUNDING, [3, 7], axis=0).T)
    assert (result.n, result.excluded) == (20, 2)
    assert (result.chi2, result.p) == pytest.approx((expected.statistic, expected.pvalue))


def test_friedman_without_any_difference() -> None:
    result = friedman({"a": [3, 4, 5], "b": [3, 4, 5], "c": [3, 4, 5]})
    assert (result.chi2, result.p) == (0, 1)
    assert {pair.p_bonferroni for pair in result.post_hoc} == {1.0}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(GRADES, GRADES, GRADES), min_size=2, max_size=15), st.permutations([0, 1, 2]))
def test_friedman_does_not_depend_on_the_order_of_conditions(
    rows: list[tuple[float, float, float]], order: list[int]
) -> None:
    table = np.array(rows).T
    one = friedman({str(i): table[i] for i in range(3)})
    other = friedman({str(i): table[i] for i in order})
    assert one.chi2 == pytest.approx(other.chi2, abs=1e-9)
    assert {frozenset((p.first, p.second)): p.p_bonferroni for p in one.post_hoc} == {
        frozenset((p.first, p.second)): p.p_bonferroni for p in other.post_hoc
    }


def test_mann_whitney_of_ozone() -> None:
    """R: W = 127.5, p-value = 0.0001208 (with ties and continuity correction)."""
    test = mann_whitney(published.OZONE_MAY, published.OZONE_AUGUST)
    assert test.u == 127.5
    sd = (127.5 - 26 * 26 / 2) / test.z
    assert continuity_p(test.z, sd) == pytest.approx(0.0001208, abs=5e-8)
    assert test.rank_biserial == pytest.approx(2 * 127.5 / 676 - 1)


@settings(deadline=None, max_examples=60)
@given(st.lists(GRADES, min_size=1, max_size=20), st.lists(GRADES, min_size=1, max_size=20))
def test_mann_whitney_agrees_with_scipy_and_with_itself_swapped(first: list[float], second: list[float]) -> None:
    test, swapped = mann_whitney(first, second), mann_whitney(second, first)
    assert (test.p, test.z) == pytest.approx((swapped.p, -swapped.z))
    assert test.rank_biserial == pytest.approx(-swapped.rank_biserial)
    assert test.u == sum((a > b) + (a == b) / 2 for a in first for b in second)
    if len({*first, *second}) == 1:
        assert (test.z, test.p) == (0, 1)
    else:
        expected = stats.mannwhitneyu(first, second, use_continuity=False, method="asymptotic")
        assert test.p == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: differences([1, 2], [1, 2, 3]), r"not paired: \(2,\) and \(3,\)"),
        (lambda: differences([np.inf, 2], [1, 2]), "infinite value"),
        (lambda: signed_rank([1, np.nan]), "leave incomplete pairs out"),
        (lambda: friedman({"a": [1, 2], "b": [1, 2]}), "three conditions or more, not 2"),
        (lambda: friedman({"a": [1, 2], "b": [1, 2], "c": [1]}), "'c': 1"),
        (lambda: friedman({"a": [1, 2], "b": [1, 2], "c": [1, np.nan]}), "1 subjects"),
        (lambda: mann_whitney([1, 2], []), "second group is empty"),
        (lambda: mann_whitney([1, np.nan], [1]), "first group is empty or holds"),
    ],
)
def test_bad_input_is_named(call: object, words: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=words):
        call()
