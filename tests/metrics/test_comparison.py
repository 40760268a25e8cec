"""The paired comparison: the right test, the effect and its interval, failures at the worst rank, Holm."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pulmomap.metrics.comparison import bootstrap_interval, compare, holm, summarise, worst_rank
from pulmomap.metrics.ranks import signed_rank
from tests.metrics import published

RNG = np.random.default_rng(5)
BASE = RNG.normal(0.85, 0.05, 42)
NORMAL = BASE + RNG.normal(0.01, 0.02, 42)
SKEWED = BASE + RNG.exponential(0.02, 42) ** 2 * 30
VALUES = st.floats(0, 10).map(lambda value: round(value, 2))


def test_normal_differences_get_the_t_test() -> None:
    result = compare(NORMAL, BASE, lower_is_better=False)
    t = stats.ttest_rel(NORMAL, BASE)
    assert result.test == "paired t"
    assert (result.statistic, result.p) == pytest.approx((t.statistic, t.pvalue))
    assert result.shapiro_p == pytest.approx(stats.shapiro(NORMAL - BASE).pvalue)
    assert result.levene_p == pytest.approx(stats.levene(NORMAL, BASE, center="median").pvalue)
    assert result.difference == pytest.approx(NORMAL.mean() - BASE.mean())
    assert result.first.text(2) == f"{NORMAL.mean():.2f} ± {np.std(NORMAL, ddof=1):.2f}"


def test_skewed_differences_get_the_signed_rank_test() -> None:
    result = compare(SKEWED, BASE, lower_is_better=False)
    expected = stats.wilcoxon(SKEWED, BASE, correction=False, method="asymptotic")
    assert result.test == "Wilcoxon signed-rank"
    assert result.shapiro_p < 0.05
    assert (result.statistic, result.p) == pytest.approx((-expected.zstatistic, expected.pvalue))
    assert result.difference == pytest.approx(np.median(SKEWED - BASE))
    low, high = np.percentile(SKEWED, [25, 75])
    assert result.first.text(1) == f"{np.median(SKEWED):.1f} [{low:.1f}, {high:.1f}]"


def test_t_of_student_sleep() -> None:
    """R: ``t.test(extra ~ group, paired)``: t = -4.0621, p-value = 0.002833. Shapiro-Wilk: W = 0.82987, p = 0.03334."""
    result = compare(published.SLEEP_1, published.SLEEP_2, lower_is_better=False)
    assert result.test == "Wilcoxon signed-rank"
    assert result.shapiro_p == pytest.approx(0.03334, abs=5e-6)
    # Without the patient whose 4.6 h make the differences skewed, the t test is taken.
    kept = [i for i in range(10) if i != 8]
    one, two = np.array(published.SLEEP_1)[kept], np.array(published.SLEEP_2)[kept]
    trimmed, t = compare(one, two, lower_is_better=False), stats.ttest_rel(one, two)
    assert (trimmed.test, trimmed.statistic) == ("paired t", pytest.approx(t.statistic))


def test_interval_of_the_mean_is_that_of_an_independent_bootstrap() -> None:
    """Another generator, resampled by hand. A 2.5 % quantile of 10,000 has a Monte Carlo error of .027 SD."""
    difference = NORMAL - BASE
    rows = np.random.default_rng(99).integers(0, 42, (10_000, 42))
    expected = np.percentile(difference[rows].mean(axis=1), [2.5, 97.5])
    error = 4 * math.sqrt(2) * 0.027 * difference.std() / math.sqrt(42)
    assert bootstrap_interval(difference, "mean") == pytest.approx(tuple(expected), abs=error)


def test_interval_of_the_median_is_the_exact_one() -> None:
    """The resampled median of 41 is at most the k-th value when 21 draws or more are: a binomial distribution."""
    values = np.sort((NORMAL - BASE)[:41])
    at_most = stats.binom.sf(20, 41, np.arange(1, 42) / 41)
    # The 250th and 9,750th of 10,000 medians must not be a matter of luck.
    assert np.abs(at_most - 0.025).min() > 0.005
    expected = values[at_most.searchsorted(0.025)], values[at_most.searchsorted(0.975)]
    assert bootstrap_interval(values, "median") == pytest.approx(expected, abs=1e-15)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    """300 samples of 40: a 95 % interval that covers less than 90 % or more than 98.5 % of the time is not one."""
    rng = np.random.default_rng(11)
    covered = 0
    for sample in rng.normal(0.3, 1, (300, 40)):
        low, high = bootstrap_interval(sample, "mean", seed=3)
        covered += low <= 0.3 <= high
    assert 0.90 <= covered / 300 <= 0.985


def test_same_seed_same_interval_in_any_order_of_patients() -> None:
    order = np.random.default_rng(1).permutation(42)
    one = compare(NORMAL, BASE, lower_is_better=False, seed=4)
    other = compare(NORMAL[order], BASE[order], lower_is_better=False, seed=4)
    assert one.interval == other.interval
    assert one.interval != compare(NORMAL, BASE, lower_is_better=False, seed=5).interval
    assert one.p == pytest.approx(other.p, rel=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=3, max_size=20))
def test_p_is_symmetric_under_swapping_the_arms(pairs: list[tuple[float, float]]) -> None:
    first, second = zip(*pairs, strict=True)
    one = compare(first, second, lower_is_better=True)
    other = compare(second, first, lower_is_better=True)
    assert one.p == pytest.approx(other.p, rel=1e-9)
    assert one.test == other.test
    assert one.statistic == pytest.approx(-other.statistic, rel=1e-9)
    assert one.difference == pytest.approx(-other.difference)
    assert one.worst_rank.p == pytest.approx(other.worst_rank.p)
    assert one.interval[0] - 1e-9 <= one.interval[1]


def test_equal_differences_are_not_taken_for_normal() -> None:
    """The t of differences without spread is infinite whatever they are."""
    result = compare([0.3, 0.6, 0.8, 0.9], [0.2, 0.5, 0.7, 0.8], lower_is_better=True)
    assert math.isnan(result.shapiro_p)
    assert result.test == "Wilcoxon signed-rank"
    assert result.interval == pytest.approx((0.1, 0.1))
    same = compare([1.0, 1.0, 1.0], [1.0, 1.0, 1.0], lower_is_better=True)
    assert (same.p, same.statistic, same.rank_biserial) == (1, 0, 0)
    assert math.isnan(same.levene_p)


def test_failures_leave_the_pair_out_and_are_counted() -> None:
    first, second = NORMAL.copy(), BASE.copy()
    first[[0, 1]], second[[1, 2, 3]] = np.nan, np.nan
    result = compare(first, second, lower_is_better=False)
    assert (result.n, result.failures) == (38, (2, 3))
    clean = compare(NORMAL[4:], BASE[4:], lower_is_better=False)
    assert (result.p, result.first, result.interval) == (clean.p, clean.first, clean.interval)


def test_failure_has_the_worst_rank() -> None:
    """Four patients, worked by hand: |differences| 1, 2, 3 and a failure of the first arm above them all."""
    first, second = [11.0, 12.0, 7.0, np.nan], [10.0, 10.0, 10.0, 10.0]
    higher = worst_rank(first, second, lower_is_better=False)
    assert (higher.positive, higher.negative) == (1 + 2, 3 + 4)
    lower = worst_rank(first, second, lower_is_better=True)
    assert (lower.positive, lower.negative) == (1 + 2 + 4, 3)
    both = worst_rank([*first, np.nan], [*second, np.nan], lower_is_better=True)
    assert (both.n, both.z, both.p) == (lower.n, lower.z, lower.p)
    two = worst_rank([np.nan, np.nan, 1.0], [2.0, 500.0, 0.0], lower_is_better=False)
    assert (two.n, two.positive, two.negative) == (3, 1, 2.5 + 2.5)
    only = worst_rank([np.nan], [np.nan], lower_is_better=True)
    assert (only.n, only.p) == (0, 1)


def test_without_failures_worst_rank_is_the_plain_test() -> None:
    assert compare(SKEWED, BASE, lower_is_better=True).worst_rank.p == pytest.approx(signed_rank(SKEWED - BASE).p)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(VALUES, st.just(math.nan)), min_size=1, max_size=12), st.booleans(), st.data())
def test_one_more_failure_never_helps_the_arm_that_failed(values: list[float], lower: bool, data: Any) -> None:
    other = data.draw(st.lists(VALUES, min_size=len(values), max_size=len(values)))
    place = data.draw(st.integers(0, len(values) - 1))
    failed = [*values[:place], math.nan, *values[place + 1 :]]
    before, after = (worst_rank(arm, other, lower_is_better=lower).rank_biserial for arm in (values, failed))
    assert (after >= before - 1e-12) if lower else (after <= before + 1e-12)


def test_holm_of_the_r_manual() -> None:
    assert list(holm({"a": 0.01, "b": 0.02, "c": 0.03, "d": 0.04}).values()) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm({}) == {}


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=15))
def test_holm_is_never_below_the_raw_p_nor_above_bonferroni(values: list[float]) -> None:
    raw = {str(i): p for i, p in enumerate(values)}
    corrected = holm(raw)
    assert list(corrected) == list(raw)
    for name, p in raw.items():
        assert p <= corrected[name] <= min(1.0, p * len(raw)) + 1e-12
    # Written out from the definition.
    highest = 0.0
    for rank, (name, p) in enumerate(sorted(raw.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, (len(raw) - rank) * p))
        assert corrected[name] == pytest.approx(highest)


@settings(deadline=None, max_examples=15)
@given(st.permutations(["a", "b", "c", "d", "e"]))
def test_holm_does_not_depend_on_the_order_of_names(names: list[str]) -> None:
    raw = {"a": 0.04, "b": 0.001, "c": 0.2, "d": 0.04, "e": 0.012}
    assert holm({name: raw[name] for name in names}) == holm(raw)


def test_summary_of_one_value_has_no_spread() -> None:
    assert math.isnan(summarise([3.0], normal=True).sd)


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="2 patients are valid in both arms; a paired comparison needs three"):
        compare([1, 2, math.nan], [1, 2, 3], lower_is_better=True)
    with pytest.raises(ValueError, match="infinite value"):
        compare([1, 2, math.inf], [1, 2, 3], lower_is_better=True)
    with pytest.raises(ValueError, match="not between 0 and 1 for PA HD95"):
        holm({"PA Dice": 0.1, "PA HD95": math.nan})
