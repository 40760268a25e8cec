"""`fit --draw`: training starts with the first phantoms, ends in time with a checkpoint, and leaves nobody drawing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training.__main__ import main
from training.cases import TooFewCases
from training.checkpoint import load_checkpoint
from training.drawing import Drawing, first_of_each_side
from training.prepare import phantom_name
from training.store import case_folders, read_case, split_of

ROOT = Path(__file__).resolve().parents[2]
SPACING = "8"


def fit(store: Path, out: Path, *more: str) -> list[str]:
    drawn = ["--draw", "10:20", "--processes", "2", "--spacing", SPACING]
    where = ["--data", str(store), "--out", str(out), "--threads", "1", "--save-every", "0s"]
    return ["fit", "enhance_gan", "--preset", "smoke", *where, *drawn, *more]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store and a run, both begun from nothing by one command."""
    root = tmp_path_factory.mktemp("drawn")
    assert main(fit(root / "store", root / "run")) == 0
    return root


def test_one_command_draws_and_trains(drawn: Path) -> None:
    store, out = drawn / "store", drawn / "run"
    state = load_checkpoint(out)
    assert state["step"] == 4
    assert {split_of(name) for name in state["cases"]} == {"train", "validation"}
    assert len(case_folders(store)) < 10, "it did not wait for all"
    assert not list(store.glob(".*")), "nothing half drawn is left"
    before = {path: path.stat().st_mtime_ns for path in case_folders(store)}
    assert main(fit(store, out, "--resume")) == 0, "the same command goes on"
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_budget_ends_a_run_that_still_draws(drawn: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "long.yaml"
    recipe.write_text(
        "name: long\ntask: synthesis\ndescription: a test\n"
        "presets:\n  smoke: {extends: enhance_gan/smoke, steps: 1000000}\n"
    )
    arguments = fit(drawn / "store", tmp_path / "run", "--time-budget", "4s")
    arguments[1], arguments[arguments.index("10:20")] = str(recipe), "10:2000"
    assert main(arguments) == 0
    state = load_checkpoint(tmp_path / "run")
    assert state["spent"] >= 4
    assert state["step"] < 1_000_000
    assert not list((drawn / "store").glob(".*"))
    assert all(read_case(folder) for folder in case_folders(drawn / "store"))
    assert json.loads((tmp_path / "run" / "journal.jsonl").read_text().splitlines()[-1])["step"] == state["step"]


def test_the_wait_counts_as_training(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Drawing):
        def wait(self, ready):  # type: ignore[no-untyped-def]
            found = super().wait(ready)
            time.sleep(0.5)
            return found

    monkeypatch.setattr("training.fit.Drawing", Slow)
    assert main(fit(drawn / "store", tmp_path / "run", "--time-budget", "0.4s")) == 0
    assert load_checkpoint(tmp_path / "run")["step"] == 0


def test_a_side_that_never_comes_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = fit(tmp_path / "store", tmp_path / "run")
    arguments[arguments.index("10:20")] = "10:11"
    assert main(arguments) == 2
    assert "no validation case" in capsys.readouterr().err


@pytest.mark.parametrize(("seeds", "said"), [("9000000:9000002", "reserved for evaluation"), ("5:5", None)])
def test_wrong_seeds_are_refused(
    seeds: str, said: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = fit(tmp_path / "store", tmp_path / "run")
    arguments[arguments.index("10:20")] = seeds
    if said is None:
        with pytest.raises(SystemExit):
            main(arguments)
    else:
        assert main(arguments) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_several_processes_do_not_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(fit(tmp_path / "store", tmp_path / "run")) == 2
    assert "--draw goes with one process" in capsys.readouterr().err


def test_the_first_to_be_validated_on_comes_first() -> None:
    seeds = list(range(1, 60))
    ordered = first_of_each_side(seeds)
    assert sorted(ordered) == seeds
    assert split_of(phantom_name(ordered[0])) == "validation"
    assert ordered[1:] == [seed for seed in seeds if seed != ordered[0]]


def test_waiting_ends_when_nothing_is_drawn(tmp_path: Path) -> None:
    def never() -> None:
        raise TooFewCases("too few")

    with pytest.raises(TooFewCases), Drawing([], tmp_path / "store", 8.0, 2) as drawing:
        drawing.wait(never)


def test_who_draws_dies_with_a_killed_run(tmp_path: Path) -> None:
    code = (
        "import os, sys, time\nfrom pathlib import Path\nfrom training.drawing import Drawing\n"
        "if __name__ == '__main__':\n"
        "    with Drawing(range(1, 500), Path(sys.argv[1]), 8.0, 2) as drawing:\n"
        "        time.sleep(2)\n"
        "        print(*(process.pid for process in drawing._processes), flush=True)\n"
        "        os.kill(os.getpid(), 9)\n"
    )
    script = tmp_path / "killed.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "store")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == -9
    # `run` returned although they hold its pipe, so they have ended; the kernel may still be clearing up.
    pids = [pid for pid in done.stdout.split() if pid.isdigit()]
    assert len(pids) >= 2
    until = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < until:
        time.sleep(0.1)
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
