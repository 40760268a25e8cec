"""Scoring: known answers give known figures; answers that do not fit the key are refused by item."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.inter_rater import fleiss_kappa
from statsmodels.stats.proportion import proportion_confint

from tests.training.made_reader_study import CASES, answer_file, image_sets
from training.reader_study import StudyError, prepare, score

GRADES = {"NCCT": 3, "Syn-CECT": 4, "CECT": 5}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    return prepare(image_sets(folder / "pictures", pictures=1), folder / "out", seed=8).key


def fair(shown: dict[str, Any]) -> int:
    return GRADES[shown["arm"]]


def seeing(shown: dict[str, Any]) -> str:
    return "synthetic" if shown["synthetic"] else "real"


def test_perfect_readers(key: Path, tmp_path: Path) -> None:
    files = [answer_file(tmp_path / f"{reader}.json", key, reader, fair, seeing) for reader in ("A", "B")]
    scores = score(key, files)
    assert scores.readers == ("A", "B")
    assert {arm: summary.text(0) for arm, summary in scores.arms.items()} == {
        "CECT": "5 [5, 5]",
        "NCCT": "3 [3, 3]",
        "Syn-CECT": "4 [4, 4]",
    }
    # Four cases that all rank three arms alike: chi2 = n (k - 1).
    assert scores.separability.chi2 == pytest.approx(8)
    assert scores.separability.p == pytest.approx(np.exp(-4))
    for row in scores.origin:
        assert (row.n, row.sensitivity, row.specificity, row.accuracy) == ((4, 4), 1, 1, 1)
    assert scores.origin_agreement is not None
    assert scores.origin_agreement.value == 1
    assert scores.pairs[0].kappa.value == 1


def test_one_reader_who_is_half_wrong(key: Path, tmp_path: Path) -> None:
    """Calls everything synthetic but two real sets: sensitivity 4/4, specificity 2/4, accuracy 6/8."""

    def origin(shown: dict[str, Any]) -> str:
        return "real" if not shown["synthetic"] and shown["case"] in CASES[:2] else "synthetic"

    scores = score(key, [answer_file(tmp_path / "a.json", key, "A", fair, origin)])
    (row,) = scores.origin
    assert (row.sensitivity, row.specificity, row.accuracy) == (1, 0.5, 0.75)
    assert row.interval == pytest.approx(proportion_confint(6, 8, method="wilson"))
    assert scores.origin_agreement is None
    assert scores.pairs == ()
    assert scores.by_reader["A"] == scores.separability


def test_three_readers_against_a_table_made_by_hand(key: Path, tmp_path: Path) -> None:
    rng = random.Random(6)
    grades = {(r, c, a): rng.randint(1, 5) for r in "ABC" for c in CASES for a in GRADES}
    calls = {(r, c, a): rng.choice(["real", "synthetic"]) for r in "ABC" for c in CASES for a in ("Syn-CECT", "CECT")}

    def by(table: dict[tuple[str, str, str], Any], reader: str) -> Callable[[dict[str, Any]], Any]:
        return lambda shown: table[reader, shown["case"], shown["arm"]]

    files = [answer_file(tmp_path / f"{r}.json", key, r, by(grades, r), by(calls, r)) for r in "ABC"]
    scores = score(key, files)
    arms = {a: [np.median([grades[r, c, a] for r in "ABC"]) for c in CASES] for a in GRADES}
    expected = stats.friedmanchisquare(*arms.values())
    assert (scores.separability.chi2, scores.separability.p) == pytest.approx((expected.statistic, expected.pvalue))
    for arm, values in arms.items():
        assert scores.arms[arm].median == np.median(values)
    counts = [
        [sum(calls[r, c, a] == call for r in "ABC") for call in ("real", "synthetic")]
        for c in CASES
        for a in ("Syn-CECT", "CECT")
    ]
    assert scores.origin_agreement is not None
    assert scores.origin_agreement.value == pytest.approx(fleiss_kappa(np.array(counts)))
    for row in scores.origin:
        right = [
            calls[row.reader, c, a] == ("synthetic" if a == "Syn-CECT" else "real") for _, c, a in calls if _ == "A"
        ]
        assert row.accuracy == np.mean(right)
    assert score(key, files[::-1]).separability == scores.separability
    assert [(pair.first, pair.second) for pair in scores.pairs] == [("A", "B"), ("A", "C"), ("B", "C")]


Edit = Callable[[dict[str, Any]], None]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda file: file["answers"].append(file["answers"][1]), "a.json: items repeated: S002$"),
        (lambda file: file["answers"].append({"item": "S999", "value": 3}), "a.json: items unknown: S999$"),
        (lambda file: file["answers"].pop(), "a.json: items missing: R008$"),
        (lambda file: file["answers"][0].update(value=6), r"items off the scale: S001 \(6\)$"),
        (lambda file: file["answers"][0].update(value="4"), r"items off the scale: S001 \(4\)$"),
        (lambda file: file["answers"][0].update(value=True), "a.json: answers.0.value"),
        (lambda file: file["answers"][-1].update(value="fake"), r"items off the scale: R008 \(fake\)$"),
        (lambda file: file.update(study="0" * 16), "a.json answers study 0000000000000000, the key is that of"),
        (lambda file: file.update(reader=""), "a.json: reader: "),
        (lambda file: file.update(format="2"), "a.json: format: "),
        (lambda file: file.pop("reader"), "a.json: reader: Field required"),
    ],
)
def test_answers_that_do_not_fit_are_named(key: Path, tmp_path: Path, edit: Edit, words: str) -> None:
    path = answer_file(tmp_path / "a.json", key, "A", fair, seeing)
    file = json.loads(path.read_text())
    edit(file)
    path.write_text(json.dumps(file))
    with pytest.raises(StudyError, match=words) as error:
        score(key, [path])
    assert "\n" not in str(error.value)


def test_files_that_do_not_fit_are_named(key: Path, tmp_path: Path) -> None:
    path = answer_file(tmp_path / "a.json", key, "A", fair, seeing)
    with pytest.raises(StudyError, match="reader A has answered already"):
        score(key, [path, path])
    with pytest.raises(StudyError, match="no answers to score"):
        score(key, [])
    with pytest.raises(StudyError, match=r"a\.json: "):
        score(path, [path])
    path.write_text("{")
    with pytest.raises(StudyError, match=r"a\.json: the whole file: Invalid JSON"):
        score(key, [path])
    with pytest.raises(FileNotFoundError):
        score(key, [tmp_path / "none.json"])
