"""Agreement between readers: Cohen's kappa of two, Fleiss' kappa of several."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa  # type: ignore[import-untyped]


@dataclass(frozen=True)
class CohenKappa:
    """Cohen's kappa (1960; weighted: 1968) with its 95 % interval from the asymptotic standard error.

    NaN, interval included, when both readers gave one and the same category throughout: chance explains it all.
    """

    n: int
    value: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class FleissKappa:
    """Fleiss' kappa (1971).

    Attributes:
        n: items.
        raters: answers an item has.
        value: kappa; NaN when every answer is the same category.
        expected: agreement expected by chance, the sum of the squared shares of the categories.
    """

    n: int
    raters: int
    value: float
    expected: float


def cohen_kappa(
    first: Sequence[Hashable],
    second: Sequence[Hashable],
    categories: Sequence[Hashable],
    weights: Literal["linear", "quadratic"] | None = None,
) -> CohenKappa:
    """Agreement of two readers beyond chance.

    Args:
        first, second: one category an item, in the same order.
        categories: the whole scale, in order, used or not: a weight is a distance on it.
        weights: None counts every disagreement alike.

    Raises:
        ValueError: if the readers differ in length, have no item, or gave a category that is not on the scale (named).
    """
    if len(first) != len(second) or not first:
        raise ValueError(
            f"the readers answered {len(first)} and {len(second)} items; kappa needs the same, one or more"
        )
    unknown = sorted({str(answer) for answer in (*first, *second) if answer not in categories})
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: not on the scale {', '.join(map(str, categories))}")
    table = np.zeros((len(categories), len(categories)))
    np.add.at(table, ([categories.index(answer) for answer in first], [categories.index(a) for a in second]), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        result = cohens_kappa(table, wt=weights)
    return CohenKappa(len(first), float(result.kappa), (float(result.kappa_low), float(result.kappa_upp)))


def fleiss(counts: npt.NDArray[Any] | Sequence[Sequence[int]]) -> FleissKappa:
    """Agreement of several readers beyond chance.

    Args:
        counts: (items, categories), how many readers gave the item the category.

    Raises:
        ValueError: if an item has another number of answers than the first, or fewer than two.
    """
    table = np.asarray(counts)
    if table.ndim != 2 or not table.size:
        raise ValueError(f"the counts have the shape {table.shape}, not (items, categories)")
    raters = table.sum(axis=1)
    odd = np.flatnonzero(raters != raters[0])
    if odd.size:
        raise ValueError(
            f"item {odd[0]} has {raters[odd[0]]} answers and item 0 has {raters[0]}; Fleiss' kappa needs one number"
        )
    if raters[0] < 2:
        raise ValueError(f"items have {raters[0]} answer; Fleiss' kappa needs two readers or more")
    shares = table.sum(axis=0) / table.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(fleiss_kappa(table))
    return FleissKappa(table.shape[0], int(raters[0]), value, float((shares**2).sum()))
