"""`python -m training evaluate` from end to end, with tiny random networks: files, exit codes, the reader study."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.training.made_evaluation import chest, write_folder
from tests.training.made_reader_study import answer_file
from training.__main__ import main

RESULTS = {"evaluation.html", "evaluation.json", "images.csv", "vessels.csv", "nodules.csv", "cases"}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cases")
    for seed, name in enumerate(("p1", "p2", "p3")):
        write_folder(root / name, chest(seed), labels=name != "p3")
    return root


def test_evaluate_says_what_it_found(
    cases: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["evaluate", str(cases), "--models", str(models), "--out", str(out), "--threads", "1", "--roi-mm", "20"]
    assert main([*command, "--arm", f"again={models / 'contrast_synthesis'}"]) == 0
    said = capsys.readouterr()
    assert [line for line in said.err.splitlines() if line] == ["p1 measured", "p2 measured", "p3 measured"]
    assert "| NCCT + Syn-CECT |" in said.out
    assert said.out.strip().endswith("evaluation.html")
    assert {path.name for path in out.iterdir()} == RESULTS
    case = json.loads((out / "cases" / "p1.json").read_text())
    assert case["synthesis"]["again"] == case["synthesis"]["Syn-CECT"]
    assert set(case["stamp"]["weights"]) == {"contrast_synthesis", "vessel_segmentation", "again"}
    page = (out / "evaluation.html").read_text()
    assert str(cases) not in page
    assert "drawn labels in 2 cases, the segmenter&#39;s own map of the true CECT in 1" in page


def test_bad_case_is_named_and_the_exit_code_is_1(
    cases: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "cases"
    root.mkdir()
    for name in ("p1", "p2"):
        (root / name).mkdir()
        for path in (cases / name).iterdir():
            (root / name / path.name).write_bytes(path.read_bytes())
    (root / "p1" / "cect.nii.gz").write_bytes(b"nothing")
    command = ["evaluate", str(root), "--models", str(models), "--out", str(tmp_path / "out"), "--threads", "1"]
    assert main(command) == 1
    assert re.search(r"p1: not measured: .*cect\.nii\.gz cannot be read", capsys.readouterr().err)
    assert "<li>p1: " in (tmp_path / "out" / "evaluation.html").read_text()
    (root / "p2" / "cect.nii.gz").write_bytes(b"nothing")
    assert main(command) == 3
    assert "none of the 2 cases could be measured" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "evaluate needs CASES and --out DIR, or --reader-study DIR"),
        (["{cases}"], "evaluate needs CASES and --out DIR"),
        (["{cases}/nowhere", "--out", "{out}"], "there are no cases at"),
        (["{cases}", "--out", "{out}", "--models", "{cases}"], "contrast_synthesis"),
        (["{cases}", "--out", "{out}", "--arm", "again"], "write NAME=BUNDLE"),
        (["--score", "{cases}/a.json"], "--score needs --reader-study DIR"),
        (["--reader-study", "{out}"], "--reader-study needs CASES to show, or --score ANSWERS"),
        (["--reader-study", "{out}", "--score", "{cases}/a.json"], "holds no study"),
    ],
)
def test_wrong_usage_is_one_sentence_and_2(
    words: list[str], said: str, cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word.format(cases=cases, out=tmp_path / "out") for word in words]
    assert main(["evaluate", *given]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error


def test_reader_study_is_prepared_read_and_scored(
    cases: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    study = out / "reader_study"
    prepare = ["evaluate", str(cases), "--models", str(models), "--reader-study", str(study), "--threads", "1"]
    assert main(prepare) == 0
    assert main(prepare) == 2  # a second study would make the first one's answers unreadable
    capsys.readouterr()
    key = study / "key.json"
    grades = {"NCCT": 2, "Syn-CECT": 4, "CECT": 5}
    readers = [
        answer_file(tmp_path / f"{name}.json", key, name, lambda shown: grades[shown["arm"]], lambda _: "real")
        for name in ("A", "B")
    ]
    assert main(["evaluate", "--reader-study", str(study), "--score", *map(str, readers)]) == 0
    report = capsys.readouterr().out
    assert "| Syn-CECT | 4.0 [4.0, 4.0] |" in report
    assert "| A | 0.00 | 1.00 | 0.50 |" in report
    evaluate = ["evaluate", str(cases), "--models", str(models), "--out", str(out), "--threads", "1"]
    assert main(evaluate) == 0
    assert re.search(
        r"<tr><td>Syn-CECT</td>\s*<td class=\"start\">4 \[4, 4\]</td>", (out / "evaluation.html").read_text()
    )
