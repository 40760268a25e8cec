"""Data and results printed in textbooks and in the manuals of R, for the statistics."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# R, ?sleep (Student 1908): extra hours of sleep under two drugs, ten patients.
SLEEP_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SLEEP_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]

# R, ?wilcox.test (Hollander and Wolfe 1973, p. 29): Hamilton depression scale before and after, nine patients.
DEPRESSION_1 = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
DEPRESSION_2 = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]

# R, ?wilcox.test, airquality: ozone (ppb) in May and August.
OZONE_MAY = [41, 36, 12, 18, 28, 23, 19, 8, 7, 16, 11, 14, 18, 14, 34, 6, 30, 11, 1, 11, 4, 32, 23, 45, 115, 37]
OZONE_AUGUST = [39, 9, 16, 78, 35, 66, 122, 89, 110, 44, 28, 65, 22, 59, 23, 31, 44, 21, 9, 45, 168, 73, 76, 118, 84]
OZONE_AUGUST += [85]

# R, ?friedman.test (Hollander and Wolfe 1973, p. 140): seconds to round first base, three methods, 22 players.
_ROUNDING = """5.40 5.50 5.55 5.85 5.70 5.75 5.20 5.60 5.50 5.55 5.50 5.40 5.90 5.85 5.70 5.45 5.55 5.60 5.40 5.40 5.35
    5.45 5.50 5.35 5.25 5.15 5.00 5.85 5.80 5.70 5.25 5.20 5.10 5.65 5.55 5.45 5.60 5.35 5.45 5.05 5.00 4.95
    5.50 5.50 5.40 5.45 5.55 5.50 5.55 5.55 5.35 5.45 5.50 5.55 5.50 5.45 5.25 5.65 5.60 5.40 5.70 5.65 5.55
    6.30 6.30 6.25"""
ROUNDING = np.array(_ROUNDING.split(), dtype=float).reshape(22, 3)

# Fleiss 1971 as in the encyclopaedias: 14 raters, 10 subjects, 5 categories; kappa .210.
FLEISS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]

# NIST StRD, Longley (1967): certified values of a regression made to break bad solvers.
LONGLEY_NAMES = ("employed", "deflator", "gnp", "unemployed", "army", "population", "year")
_LONGLEY = """60323 83.0 234289 2356 1590 107608 1947 61122 88.5 259426 2325 1456 108632 1948
    60171 88.2 258054 3682 1616 109773 1949 61187 89.5 284599 3351 1650 110929 1950
    63221 96.2 328975 2099 3099 112075 1951 63639 98.1 346999 1932 3594 113270 1952
    64989 99.0 365385 1870 3547 115094 1953 63761 100.0 363112 3578 3350 116219 1954
    66019 101.2 397469 2904 3048 117388 1955 67857 104.6 419180 2822 2857 118734 1956
    68169 108.4 442769 2936 2798 120445 1957 66513 110.8 444546 4681 2637 121950 1958
    68655 112.6 482704 3813 2552 123366 1959 69564 114.2 502601 3931 2514 125368 1960
    69331 115.7 518173 4806 2572 127852 1961 70551 116.9 554894 4007 2827 130081 1962"""
LONGLEY = np.array(_LONGLEY.split(), dtype=float).reshape(16, 7)
# name: certified estimate, certified standard error
LONGLEY_CERTIFIED = {
    "intercept": (-3482258.63459582, 890420.383607373),
    "deflator": (15.0618722713733, 84.9149257747669),
    "gnp": (-0.0358191792925910, 0.0334910077722432),
    "unemployed": (-2.02022980381683, 0.488399681651699),
    "army": (-1.03322686717359, 0.214274163161675),
    "population": (-0.0511041056535807, 0.226073200069370),
    "year": (1829.15146461355, 455.478499142212),
}
LONGLEY_R2 = 0.995479004577296


def with_positive_ranks(n: int, total: int) -> npt.NDArray[np.float64]:
    """``n`` differences of the magnitudes 1 to n whose positive ranks sum to ``total``."""
    difference = -np.arange(1.0, n + 1)
    for rank in range(n, 0, -1):
        if rank <= total:
            difference[rank - 1] = rank
            total -= rank
    assert total == 0
    return difference
