"""Multiple linear regression by ordinary least squares, with names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from statsmodels.regression.linear_model import OLS  # type: ignore[import-untyped]

from pulmomap.metrics.ranks import FloatArray, Values

INTERCEPT = "intercept"


@dataclass(frozen=True)
class Coefficient:
    """One row of a regression table: estimate, standard error, t, two-sided p, 95 % interval (Student's t)."""

    name: str
    value: float
    se: float
    t: float
    p: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Regression:
    """An ordinary least squares fit.

    Attributes:
        n: subjects.
        r2, adjusted_r2: share of the variance explained; adjusted for the number of predictors.
        coefficients: the intercept, then the predictors in their order.
    """

    n: int
    r2: float
    adjusted_r2: float
    coefficients: tuple[Coefficient, ...]

    def __getitem__(self, name: str) -> Coefficient:
        """The coefficient of a predictor."""
        return next(row for row in self.coefficients if row.name == name)


def regress(outcome: Values, predictors: Mapping[str, Values]) -> Regression:
    """Fit ``outcome`` ~ intercept + predictors.

    Args:
        outcome: (n,), finite.
        predictors: each (n,), finite; flags are 0 and 1.

    Raises:
        ValueError: naming a variable that is not finite or of another length, predictors that do not vary or that
            others determine; or if there are too few subjects for the predictors.
    """
    target = _checked("the outcome", outcome, len(outcome))
    columns = {name: _checked(name, values, len(target)) for name, values in predictors.items()}
    parameters = len(columns) + 1
    if len(target) <= parameters:
        raise ValueError(f"{len(target)} subjects do not determine {parameters} coefficients; more are needed")
    _require_independent(columns)
    design = np.column_stack([np.ones(len(target)), *columns.values()])
    fit = OLS(target, design).fit()
    rows = zip((INTERCEPT, *columns), fit.params, fit.bse, fit.tvalues, fit.pvalues, fit.conf_int(0.05), strict=True)
    coefficients = tuple(
        Coefficient(name, float(value), float(se), float(t), float(p), (float(low), float(high)))
        for name, value, se, t, p, (low, high) in rows
    )
    return Regression(len(target), float(fit.rsquared), float(fit.rsquared_adj), coefficients)


def _checked(name: str, values: Values, length: int) -> FloatArray:
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (length,):
        raise ValueError(f"{name} has the shape {column.shape} and the outcome {length} values; give one a subject")
    if not np.isfinite(column).all():
        raise ValueError(f"{name} holds a value that is not a number; leave those subjects out")
    return column


def _require_independent(columns: Mapping[str, FloatArray]) -> None:
    """OLS answers collinear predictors with arbitrary coefficients instead of an error."""
    constant = [name for name, column in columns.items() if np.ptp(column) == 0]
    if constant:
        raise ValueError(f"{', '.join(constant)}: the same for every subject; leave it out of the regression")
    if not columns:
        return
    standard = np.column_stack([(column - column.mean()) / column.std() for column in columns.values()])
    _, sizes, directions = np.linalg.svd(standard, full_matrices=False)
    if sizes[-1] > 1e-9 * sizes[0]:
        return
    involved = [name for name, weight in zip(columns, directions[-1], strict=True) if abs(weight) > 1e-6]
    raise ValueError(f"{', '.join(involved)}: one follows from the others; leave one out of the regression")
