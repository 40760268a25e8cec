"""Least squares against certified values and the normal equations; collinear predictors are named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pulmomap.metrics.regression import Regression, regress
from tests.metrics import published


def longley() -> Regression:
    columns = dict(zip(published.LONGLEY_NAMES, published.LONGLEY.T, strict=True))
    return regress(columns.pop("employed"), columns)


def test_certified_values_of_longley() -> None:
    fit = longley()
    assert [row.name for row in fit.coefficients] == list(published.LONGLEY_CERTIFIED)
    for name, (value, se) in published.LONGLEY_CERTIFIED.items():
        assert fit[name].value == pytest.approx(value, rel=1e-6)
        assert fit[name].se == pytest.approx(se, rel=1e-6)
    assert fit.r2 == pytest.approx(published.LONGLEY_R2, rel=1e-10)
    assert fit.n == 16


def test_t_p_and_interval_belong_together() -> None:
    for row in longley().coefficients:
        assert row.t == pytest.approx(row.value / row.se)
        assert row.p == pytest.approx(2 * stats.t.sf(abs(row.t), 16 - 7))
        reach = stats.t.ppf(0.975, 16 - 7) * row.se
        assert row.interval == pytest.approx((row.value - reach, row.value + reach))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.permutations(["lung", "male", "age"]))
def test_agrees_with_the_normal_equations_in_any_order(seed: int, order: list[str]) -> None:
    rng = np.random.default_rng(seed)
    columns = {"lung": rng.normal(5, 1, 30), "male": (np.arange(30) % 2).astype(float), "age": rng.uniform(40, 70, 30)}
    outcome = 100 + 30 * columns["lung"] - 8 * columns["male"] + rng.normal(0, 5, 30)
    fit = regress(outcome, {name: columns[name] for name in order})
    design = np.column_stack([np.ones(30), *columns.values()])
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ outcome
    residual = outcome - design @ beta
    errors = np.sqrt(np.diag(inverse) * (residual @ residual) / (30 - 4))
    for name, value, se in zip(("intercept", *columns), beta, errors, strict=True):
        assert fit[name].value == pytest.approx(value, rel=1e-6, abs=1e-8)
        assert fit[name].se == pytest.approx(se, rel=1e-6)
    r2 = 1 - (residual @ residual) / ((outcome - outcome.mean()) ** 2).sum()
    assert fit.r2 == pytest.approx(r2)
    assert fit.adjusted_r2 == pytest.approx(1 - (1 - r2) * 29 / 26)


X = [1.0, 2.0, 3.0, 4.0, 5.0, 7.0]
Z = [2.0, 1.0, 2.0, 9.0, 3.0, 1.0]


@pytest.mark.parametrize(
    ("predictors", "words"),
    [
        ({"x": X, "z": Z, "copd": [0] * 6}, "^copd: the same for every subject"),
        ({"x": X, "z": Z, "twice": [2 * x + 1 for x in X]}, "^x, twice: one follows from the others"),
        ({"x": [*X[:5], np.nan]}, "x holds a value that is not a number"),
        ({"x": X[:5]}, r"x has the shape \(5,\) and the outcome 6 values"),
        (dict.fromkeys("abcde", X), "6 subjects do not determine 6 coefficients"),
    ],
)
def test_bad_predictors_are_named(predictors: dict[str, list[float]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        regress([3.0, 1.0, 4.0, 1.0, 5.0, 9.0], predictors)


def test_without_predictors_the_intercept_is_the_mean() -> None:
    assert regress(X, {})["intercept"].value == pytest.approx(np.mean(X))
