"""Killed, damaged and deadly: what has been measured stays, a bad case is named, and the others are measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.made_workers import Plan, job
from training.evaluation.cases import Source, find_cases
from training.evaluation.results import read_results
from training.evaluation.running import FORMAT, Done, picture_path, result_path, run_cases

NAMES = ["a", "b", "c", "d"]


@pytest.fixture
def cases(tmp_path: Path) -> list[Source]:
    for name in NAMES:
        folder = tmp_path / "cases" / name
        folder.mkdir(parents=True)
        for part in ("ncct.nii", "cect.nii", "nodules.json"):
            (folder / part).write_text(name)
    return find_cases(tmp_path / "cases")


def test_every_case_has_one_file_and_is_measured_once(cases: list[Source], tmp_path: Path) -> None:
    plan = Plan(tmp_path / "journal")
    assert list(run_cases(cases, job(tmp_path / "out", plan), 1)) == [Done(name) for name in NAMES]
    assert list(run_cases(cases, job(tmp_path / "out", plan), 1)) == [Done(name, kept=True) for name in NAMES]
    assert plan.measured == NAMES
    assert sorted(path.name for path in (tmp_path / "out" / "cases").iterdir()) == sorted(
        f"{name}.{kind}" for name in NAMES for kind in ("json", "webp")
    )
    assert read_results(tmp_path / "out", NAMES).names == NAMES


def test_killed_run_goes_on(cases: list[Source], tmp_path: Path) -> None:
    """The process dies in its third case; the next run measures that and the fourth alone."""
    code = (
        "import sys; from pathlib import Path; from tests.training.made_workers import Plan, job;"
        "from training.evaluation.cases import find_cases; from training.evaluation.running import run_cases;"
        "root = Path(sys.argv[1]); plan = Plan(root / 'journal', limit=2);"
        "list(run_cases(find_cases(root / 'cases'), job(root / 'out', plan), 1))"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == 9
    plan = Plan(tmp_path / "journal")
    assert plan.measured == ["a", "b"]
    done = list(run_cases(cases, job(tmp_path / "out", plan), 1))
    assert done == [Done("a", kept=True), Done("b", kept=True), Done("c"), Done("d")]
    assert plan.measured == NAMES


def test_results_of_other_weights_files_or_formats_are_measured_again(cases: list[Source], tmp_path: Path) -> None:
    plan = Plan(tmp_path / "journal")
    out = tmp_path / "out"
    list(run_cases(cases, job(out, plan), 1))
    result_path(out, "a").write_text(result_path(out, "a").read_text()[:-40])
    picture_path(out, "b").unlink()
    (tmp_path / "cases" / "c" / "nodules.json").write_text("[]")
    done = list(run_cases(cases, job(out, plan), 1))
    assert [one.kept for one in sorted(done, key=lambda one: one.name)] == [False, False, False, True]
    other = Plan(tmp_path / "journal", stamp={"roi_diameter_mm": 30.0})
    assert not any(one.kept for one in run_cases(cases, job(out, other), 1))


def test_bad_case_is_named_and_keeps_no_result(cases: list[Source], tmp_path: Path) -> None:
    plan = Plan(tmp_path / "journal", bad=("b",))
    done = list(run_cases(cases, job(tmp_path / "out", plan), 1))
    assert done == [Done("a"), Done("b", "b cannot be read"), Done("c"), Done("d")]
    assert not result_path(tmp_path / "out", "b").exists()
    repaired = Plan(tmp_path / "journal")
    assert [one.kept for one in run_cases(cases, job(tmp_path / "out", repaired), 1)] == [True, True, True, False]


def test_processes_give_the_same_files_and_survive_a_deadly_case(cases: list[Source], tmp_path: Path) -> None:
    plan = Plan(tmp_path / "journal", deadly=("b",))
    done = list(run_cases(cases, job(tmp_path / "two", plan), 2))
    assert sorted(one.name for one in done) == NAMES
    assert {one.name: one.error for one in done if one.error} == {
        "b": "its process died, perhaps for want of memory; try --jobs 1, or leave the case out"
    }
    alone = [source for source in cases if source.name != "b"]
    list(run_cases(alone, job(tmp_path / "one", Plan(tmp_path / "journal")), 1))
    for name in ("a", "c", "d"):
        assert result_path(tmp_path / "two", name).read_bytes() == result_path(tmp_path / "one", name).read_bytes()
        assert picture_path(tmp_path / "two", name).read_bytes() == picture_path(tmp_path / "one", name).read_bytes()


def test_files_are_plain_json(cases: list[Source], tmp_path: Path) -> None:
    list(run_cases(cases[:1], job(tmp_path / "out", Plan(tmp_path / "journal")), 1))

    def refuse(word: str) -> None:
        raise AssertionError(word)

    content = json.loads(result_path(tmp_path / "out", "a").read_text(), parse_constant=refuse)
    assert content["case"] == "a"
    assert content["stamp"]["format"] == FORMAT
