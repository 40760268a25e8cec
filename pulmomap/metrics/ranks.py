"""Rank tests: Wilcoxon signed-rank, Friedman with its pairwise post hoc, Mann-Whitney.

Every Z is the normal approximation with the tie-corrected variance and without continuity correction, as SPSS prints
it and as R's ``wilcox.test(exact = FALSE, correct = FALSE)`` turns into p. Z is signed: positive when the first arm
is the larger. With few differing pairs the approximation is rough; the signed-rank test has the exact p beside it.
R and papers made with it print the exact p, if one exists, next to the approximate Z.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

FloatArray = npt.NDArray[np.float64]
Values = Sequence[float] | npt.NDArray[Any]

_SIGNIFICANT_DIGITS = 12
"""Of the larger arm, kept in a difference: what subtraction adds below must not break ties."""
_EXACT_BELOW = 50
"""Pairs, as in R."""


@dataclass(frozen=True)
class SignedRank:
    """A Wilcoxon signed-rank test (Wilcoxon 1945; zero differences are dropped, tied ranks are averaged).

    Attributes:
        n: pairs that differ.
        positive, negative: sums of the ranks of positive and of negative differences.
        z: signed; 0 when no pair differs.
        p: two-sided, of z; 1 when no pair differs.
        p_exact: two-sided, from the exact null distribution; None where R has none either (ties, zeros, 50 pairs or
            more).
    """

    n: int
    positive: float
    negative: float
    z: float
    p: float
    p_exact: float | None

    @property
    def w(self) -> float:
        """The smaller rank sum, W of the tables."""
        return min(self.positive, self.negative)

    @property
    def rank_biserial(self) -> float:
        """Effect size from -1 to 1: (positive - negative) / all ranks (Kerby 2014); 0 when no pair differs."""
        total = self.positive + self.negative
        return (self.positive - self.negative) / total if total else 0.0


@dataclass(frozen=True)
class PostHoc:
    """One pair of conditions: its signed-rank test, and p times the number of pairs (Bonferroni), at most 1."""

    first: str
    second: str
    test: SignedRank
    p_bonferroni: float


@dataclass(frozen=True)
class Friedman:
    """A Friedman test over related conditions, chi-square approximation corrected for ties.

    Attributes:
        n: subjects with a value in every condition.
        excluded: subjects left out for a missing value.
        chi2: 0 when every subject ranks all conditions alike.
        dof: conditions - 1.
        p: of chi2.
        post_hoc: every pair of conditions, in their order.
    """

    n: int
    excluded: int
    chi2: float
    dof: int
    p: float
    post_hoc: tuple[PostHoc, ...]


@dataclass(frozen=True)
class MannWhitney:
    """A Mann-Whitney test of two independent groups (SPSS and R without continuity correction).

    Attributes:
        n: sizes of the groups.
        u: pairs in which the first group is larger, ties counted half (R's W).
        z: signed; 0 when all values are equal.
        p: two-sided.
    """

    n: tuple[int, int]
    u: float
    z: float
    p: float

    @property
    def rank_biserial(self) -> float:
        """Effect size from -1 to 1: 2U / (n1 n2) - 1."""
        return 2 * self.u / (self.n[0] * self.n[1]) - 1


def differences(first: Values, second: Values) -> FloatArray:
    """``first`` - ``second``, with equal differences equal to the last bit.

    Raises:
        ValueError: if the arms differ in length or hold an infinite value. NaN passes through.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.ndim != 1 or one.shape != two.shape:
        raise ValueError(f"the arms are not paired: {one.shape} and {two.shape}; give one value a patient in each")
    if np.isinf(one).any() or np.isinf(two).any():
        raise ValueError("an arm holds an infinite value; cap it, or mark it as a failure with NaN")
    scale = np.nanmax(np.abs([one, two]), initial=0.0)
    decimals = _SIGNIFICANT_DIGITS - int(np.ceil(np.log10(scale))) if scale else 0
    return np.asarray(np.round(one - two, decimals))


def signed_rank(difference: Values) -> SignedRank:
    """Wilcoxon signed-rank test of paired differences.

    Args:
        difference: (n,), finite; see :func:`differences`.

    Raises:
        ValueError: if a difference is not finite.
    """
    given = np.asarray(difference, dtype=np.float64)
    if not np.isfinite(given).all():
        raise ValueError("a difference is not a number; leave incomplete pairs out")
    zeros = given.size - np.count_nonzero(given)
    given = given[given != 0]
    if not given.size:
        return SignedRank(0, 0.0, 0.0, 0.0, 1.0, None)
    distinct = not zeros and np.unique(np.abs(given)).size == given.size
    p_exact = float(stats.wilcoxon(given, method="exact").pvalue) if distinct and given.size < _EXACT_BELOW else None
    # The one-sided call alone tells the sum of the positive ranks and the sign of Z.
    result = stats.wilcoxon(given, correction=False, alternative="greater", method="asymptotic")
    positive, z = float(result.statistic), float(result.zstatistic)
    total = given.size * (given.size + 1) / 2
    return SignedRank(given.size, positive, total - positive, z, float(2 * stats.norm.sf(abs(z))), p_exact)


def friedman(conditions: Mapping[str, Values]) -> Friedman:
    """Friedman test, then Wilcoxon signed-rank tests of all pairs with Bonferroni's correction.

    Args:
        conditions: three or more, each (n,) with one value a subject in the same order; NaN where missing.

    Raises:
        ValueError: if there are fewer than three conditions, their lengths differ, or no two subjects are complete.
    """
    if len(conditions) < 3:
        raise ValueError(f"the Friedman test needs three conditions or more, not {len(conditions)}: use signed_rank")
    lengths = {name: len(values) for name, values in conditions.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the conditions differ in length: {lengths}; give one value a subject in each")
    table = np.array([np.asarray(values, dtype=np.float64) for values in conditions.values()])
    complete = np.isfinite(table).all(axis=0)
    kept = table[:, complete]
    if kept.shape[1] < 2:
        raise ValueError(f"{kept.shape[1]} subjects have a value in every condition; the Friedman test needs two")
    # Without any difference scipy divides 0 by 0.
    chi2, p = (0.0, 1.0) if (kept == kept[0]).all() else map(float, stats.friedmanchisquare(*kept))
    pairs = list(combinations(zip(conditions, kept, strict=True), 2))
    tests = [(a, b, signed_rank(differences(x, y))) for (a, x), (b, y) in pairs]
    post_hoc = tuple(PostHoc(a, b, test, min(1.0, test.p * len(pairs))) for a, b, test in tests)
    return Friedman(kept.shape[1], int((~complete).sum()), chi2, len(conditions) - 1, p, post_hoc)


def mann_whitney(first: Values, second: Values) -> MannWhitney:
    """Mann-Whitney test of two independent groups.

    Raises:
        ValueError: if a group is empty or holds a value that is not finite.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    for name, group in (("first", one), ("second", two)):
        if not group.size or not np.isfinite(group).all():
            raise ValueError(f"the {name} group is empty or holds a value that is not a number; leave those out")
    u = float(stats.mannwhitneyu(one, two, use_continuity=False, method="asymptotic").statistic)
    total = one.size + two.size
    ties = stats.tiecorrect(stats.rankdata(np.concatenate([one, two])))
    sd = np.sqrt(ties * one.size * two.size * (total + 1) / 12)
    z = float((u - one.size * two.size / 2) / sd) if sd else 0.0
    return MannWhitney((one.size, two.size), u, z, float(2 * stats.norm.sf(abs(z))))
