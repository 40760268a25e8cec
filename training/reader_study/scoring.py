"""From the readers' answers to figures: separability per arm, real-or-synthetic accuracy, and agreement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.proportion import proportion_confint  # type: ignore[import-untyped]

from pulmomap.metrics.agreement import CohenKappa, FleissKappa, cohen_kappa, fleiss
from pulmomap.metrics.comparison import Summary, summarise
from pulmomap.metrics.ranks import Friedman, friedman
from training.reader_study.protocol import LIKERT, ORIGIN, Answers, Key, Shown, StudyError, read

Given = Mapping[str, int | str]


@dataclass(frozen=True)
class ReaderAccuracy:
    """How well one reader told synthetic pictures (positive) from real ones (negative).

    Attributes:
        reader: code.
        n: synthetic and real sets.
        sensitivity: share of the synthetic sets called synthetic.
        specificity: share of the real sets called real.
        accuracy: share of all sets called what they are.
        interval: 95 % interval of the accuracy (Wilson 1927).
    """

    reader: str
    n: tuple[int, int]
    sensitivity: float
    specificity: float
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class ReaderPair:
    """Agreement of two readers on separability, quadratic weights."""

    first: str
    second: str
    kappa: CohenKappa


@dataclass(frozen=True)
class Scores:
    """The result of a reader study.

    Attributes:
        readers: codes.
        arms: median [IQR] of separability over the cases; of several readers, the median of a set counts.
        separability: Friedman test over the arms of the same scores, and its post hoc.
        by_reader: the same test for each reader alone.
        pairs: agreement on separability; empty for one reader.
        origin: one row a reader; empty when the study has no such part.
        origin_agreement: Fleiss' kappa; None for one reader or without that part.
    """

    readers: tuple[str, ...]
    arms: Mapping[str, Summary]
    separability: Friedman
    by_reader: Mapping[str, Friedman]
    pairs: tuple[ReaderPair, ...]
    origin: tuple[ReaderAccuracy, ...]
    origin_agreement: FleissKappa | None


def score(key: Path, answers: Sequence[Path]) -> Scores:
    """Unblind and score a reader study.

    Args:
        key: the file made by :func:`training.reader_study.prepare`.
        answers: one file a reader.

    Raises:
        StudyError: naming the file and the items that are repeated, unknown, missing or off the scale; an answer to
            another study; a reader who comes twice.
        FileNotFoundError: if a file is not there.
    """
    truth = read(Key, key)
    given = _given(truth, answers)
    readers = tuple(given)
    by_reader = {reader: _by_arm(truth.separability, [values]) for reader, values in given.items()}
    together = _by_arm(truth.separability, list(given.values()))
    return Scores(
        readers=readers,
        arms={arm: summarise(values, normal=False) for arm, values in together.items()},
        separability=friedman(together),
        by_reader={reader: friedman(arms) for reader, arms in by_reader.items()},
        pairs=tuple(_pair(one, other, given, truth) for one, other in combinations(readers, 2)),
        origin=tuple(_accuracy(reader, truth.origin, given[reader]) for reader in readers) if truth.origin else (),
        origin_agreement=_origin_agreement(truth.origin, list(given.values())),
    )


def _given(key: Key, paths: Sequence[Path]) -> dict[str, Given]:
    """The checked answers, by reader and item."""
    if not paths:
        raise StudyError("there are no answers to score; give one file a reader")
    given: dict[str, Given] = {}
    for path in paths:
        answers = read(Answers, path)
        if answers.study != key.study:
            raise StudyError(f"{path} answers study {answers.study}, the key is that of {key.study}")
        if answers.reader in given:
            raise StudyError(f"{path}: reader {answers.reader} has answered already; keep one file a reader")
        given[answers.reader] = _checked(path, answers, key)
    return given


def _checked(path: Path, answers: Answers, key: Key) -> Given:
    scales: dict[str, tuple[int | str, ...]] = dict.fromkeys(key.separability, tuple(LIKERT))
    scales |= dict.fromkeys(key.origin, ORIGIN)
    counts = Counter(answer.item for answer in answers.answers)
    problems = {
        "repeated": [item for item, count in counts.items() if count > 1],
        "unknown": [item for item in counts if item not in scales],
        "missing": [item for item in scales if item not in counts],
        "off the scale": [
            f"{answer.item} ({answer.value})"
            for answer in answers.answers
            if answer.item in scales and answer.value not in scales[answer.item]
        ],
    }
    found = [f"{kind}: {', '.join(items)}" for kind, items in problems.items() if items]
    if found:
        raise StudyError(f"{path}: items {'; '.join(found)}")
    return {answer.item: answer.value for answer in answers.answers}


def _by_arm(items: Mapping[str, Shown], readers: Sequence[Given]) -> dict[str, NDArray[np.float64]]:
    """Arm -> the readers' median of every case, cases and arms in the order of their names."""
    scores = {
        (shown.arm, shown.case): float(np.median([int(values[item]) for values in readers]))
        for item, shown in items.items()
    }
    cases = sorted({case for _, case in scores})
    return {arm: np.array([scores[arm, case] for case in cases]) for arm in sorted({arm for arm, _ in scores})}


def _pair(first: str, second: str, given: Mapping[str, Given], key: Key) -> ReaderPair:
    one, other = ([given[reader][item] for item in key.separability] for reader in (first, second))
    return ReaderPair(first, second, cohen_kappa(one, other, list(LIKERT), "quadratic"))


def _accuracy(reader: str, items: Mapping[str, Shown], given: Given) -> ReaderAccuracy:
    truth = np.array([bool(shown.synthetic) for shown in items.values()])
    called = np.array([given[item] == "synthetic" for item in items])
    right = called == truth
    low, high = proportion_confint(int(right.sum()), right.size, method="wilson")
    return ReaderAccuracy(
        reader=reader,
        n=(int(truth.sum()), int((~truth).sum())),
        sensitivity=float(right[truth].mean()),
        specificity=float(right[~truth].mean()),
        accuracy=float(right.mean()),
        interval=(float(low), float(high)),
    )


def _origin_agreement(items: Mapping[str, Shown], readers: Sequence[Given]) -> FleissKappa | None:
    if not items or len(readers) < 2:
        return None
    return fleiss([[sum(values[item] == call for values in readers) for call in ORIGIN] for item in items])
