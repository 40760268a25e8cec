"""Two arms over the same patients: which test, its Z or t, the effect and its uncertainty; Holm's correction.

The plan is that of the Enhance-GAN paper (Shapiro-Wilk on the differences, then paired t or Wilcoxon signed-rank) with
what it lacks: the interval of the paired difference, an effect size, and a say about failures. Levene's test is
reported, and decides nothing: the paired t test makes no assumption about the variances of the arms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]

from pulmomap.metrics.ranks import FloatArray, SignedRank, Values, differences, signed_rank

ALPHA = 0.05
RESAMPLES = 10_000
_CHUNK = 1_000
"""Resamples held at a time."""


@dataclass(frozen=True)
class Summary:
    """The values of one arm: mean and SD (n - 1), median and quartiles (linear interpolation, R's type 7)."""

    n: int
    mean: float
    sd: float
    median: float
    quartiles: tuple[float, float]
    normal: bool

    def text(self, digits: int = 3) -> str:
        """``mean ± SD`` when normal, else ``median [Q1, Q3]``."""
        if self.normal:
            return f"{self.mean:.{digits}f} ± {self.sd:.{digits}f}"
        low, high = self.quartiles
        return f"{self.median:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


@dataclass(frozen=True)
class PairedComparison:
    """First arm against second, over the patients valid in both.

    Attributes:
        n: patients valid in both arms.
        failures: patients without a value in the first and in the second arm.
        shapiro_p: normality of the differences; NaN when all differences are equal, which is not normal.
        levene_p: equal variances (centred at the median, Brown-Forsythe); NaN when neither arm varies.
        test: chosen by ``shapiro_p`` >= .05.
        statistic: t or Z, positive when the first arm is larger.
        p: two-sided.
        first, second: of the patients valid in both arms.
        difference: mean (paired t) or median (Wilcoxon) of first - second.
        interval: 95 % percentile bootstrap interval of ``difference``, patients resampled.
        rank_biserial: effect size, -1 to 1.
        worst_rank: the signed-rank test of all patients, a failure losing by more than any other (Lachin 1999); two
            failures of one patient tie.
    """

    n: int
    failures: tuple[int, int]
    shapiro_p: float
    levene_p: float
    test: Literal["paired t", "Wilcoxon signed-rank"]
    statistic: float
    p: float
    first: Summary
    second: Summary
    difference: float
    interval: tuple[float, float]
    rank_biserial: float
    worst_rank: SignedRank


def compare(first: Values, second: Values, *, lower_is_better: bool, seed: int = 0) -> PairedComparison:
    """Compare two arms, patient by patient.

    Args:
        first, second: (patients,), NaN where the arm failed.
        lower_is_better: true for distances and errors; says which side a failure is on.
        seed: of the bootstrap.

    Raises:
        ValueError: if the arms are not paired, hold an infinite value, or share fewer than three valid patients.
    """
    difference = differences(first, second)
    valid = ~np.isnan(difference)
    n = int(valid.sum())
    if n < 3:
        raise ValueError(f"{n} patients are valid in both arms; a paired comparison needs three")
    one, two = (np.asarray(arm, dtype=np.float64)[valid] for arm in (first, second))
    kept = difference[valid]
    varies = bool(np.ptp(kept) > 0)
    shapiro_p = float(stats.shapiro(kept).pvalue) if varies else math.nan
    normal = shapiro_p >= ALPHA
    ranks = signed_rank(kept)
    t = stats.ttest_1samp(kept, 0.0) if normal else None
    return PairedComparison(
        n=n,
        failures=(_failures(first), _failures(second)),
        shapiro_p=shapiro_p,
        levene_p=float(stats.levene(one, two).pvalue) if np.ptp(one) or np.ptp(two) else math.nan,
        test="Wilcoxon signed-rank" if t is None else "paired t",
        statistic=ranks.z if t is None else float(t.statistic),
        p=ranks.p if t is None else float(t.pvalue),
        first=summarise(one, normal),
        second=summarise(two, normal),
        difference=float(np.mean(kept) if normal else np.median(kept)),
        interval=bootstrap_interval(kept, "mean" if normal else "median", seed),
        rank_biserial=ranks.rank_biserial,
        worst_rank=worst_rank(first, second, lower_is_better=lower_is_better),
    )


def summarise(values: Values, normal: bool) -> Summary:
    """Summarise one arm (n,), finite; ``normal`` chooses the wording."""
    given = np.asarray(values, dtype=np.float64)
    low, median, high = (float(value) for value in np.percentile(given, [25, 50, 75]))
    sd = float(given.std(ddof=1)) if given.size > 1 else math.nan
    return Summary(given.size, float(given.mean()), sd, median, (low, high), normal)


def bootstrap_interval(
    difference: FloatArray, statistic: Literal["mean", "median"], seed: int = 0
) -> tuple[float, float]:
    """95 % percentile bootstrap interval (Efron 1979; 10,000 resamples of the patients).

    Percentile, not BCa: the jackknife in BCa's acceleration does not converge for a median.

    Args:
        difference: (n,), one value a patient, finite. Their order does not matter.
        statistic: of the differences.
        seed: same seed, same interval.
    """
    result = stats.bootstrap(
        # Sorted, so that the order of the rows in a table does not change the interval.
        (np.sort(difference),),
        np.mean if statistic == "mean" else np.median,
        n_resamples=RESAMPLES,
        batch=_CHUNK,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def worst_rank(first: Values, second: Values, *, lower_is_better: bool) -> SignedRank:
    """Signed-rank test of all patients in which a failure (NaN) has the worst rank; see :class:`PairedComparison`."""
    difference = differences(first, second)
    missing_first, missing_second = np.isnan(first), np.isnan(second)
    # Only the rank counts, so any number beyond the others will do.
    beyond = 2 * float(np.nanmax(np.abs(difference), initial=0.0)) + 1
    worse = beyond if lower_is_better else -beyond
    difference[missing_first] = worse
    difference[missing_second] = -worse
    difference[missing_first & missing_second] = 0.0
    return signed_rank(difference)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's step-down correction (Holm 1979) over a family of tests, by name.

    Raises:
        ValueError: naming the tests whose p is not between 0 and 1.
    """
    wrong = [name for name, p in p_values.items() if not 0 <= p <= 1]
    if wrong:
        raise ValueError(f"p is not between 0 and 1 for {', '.join(wrong)}")
    if not p_values:
        return {}
    corrected = multipletests(list(p_values.values()), method="holm")[1]
    return dict(zip(p_values, map(float, corrected), strict=True))


def _failures(arm: Values) -> int:
    return int(np.isnan(arm).sum())
