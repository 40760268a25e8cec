"""The logs of a run say what its journal says, once, whatever happened on the way."""

from __future__ import annotations

import json
import sys
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.training.tiny_preset import tiny_preset
from training.display import Display
from training.fit import Run
from training.logs import Journal, Record, TensorBoard, open_logs


def events(run: Path) -> Any:
    found = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "images": 0})
    found.Reload()
    return found


def curve(run: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events(run).Scalars(tag)]


def test_tensorboard_has_the_journals_figures_and_pictures(tmp_path: Path, store: Path) -> None:
    run = tmp_path / "run"
    Run(tiny_preset("synthesis"), store, run).train()
    lines = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    assert [step for step, _ in curve(run, "training/loss")] == [1, 2, 3, 4, 5, 6]
    assert [value for _, value in curve(run, "training/loss")] == pytest.approx(
        [line["loss"] for line in lines if "loss" in line], abs=1e-5
    )
    ((step, psnr),) = curve(run, "validation/model_psnr")
    assert step == 6
    assert psnr == pytest.approx(lines[-1]["model_psnr"], abs=1e-4)
    (picture,) = events(run).Images("sample")
    with Image.open(run / "pictures" / "step-000006.png") as sample:
        assert (picture.width, picture.height) == sample.size


def test_work_that_was_lost_is_not_logged_twice(tmp_path: Path) -> None:
    for since, last in ((0, 5), (3, 6)):  # killed after step 5, resumed from a checkpoint at step 3
        logs: list[Record] = [Journal(tmp_path, since), TensorBoard(tmp_path, since)]
        for step in range(since + 1, last + 1):
            for log in logs:
                log.losses(step, {"loss": 10.0 * since + step})
        for log in logs:
            log.close()
    expected = [(1, 1), (2, 2), (3, 3), (4, 34), (5, 35), (6, 36)]
    assert curve(tmp_path, "training/loss") == expected
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert [(line["step"], line["loss"]) for line in lines] == expected


def test_a_journal_line_that_a_kill_cut_short_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text('{"step": 1, "loss": 0.5}\n{"step": 2, "lo')
    Journal(tmp_path, 2).losses(2, {"loss": 0.25})
    assert (tmp_path / "journal.jsonl").read_text() == '{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.25}\n'


class FakeMlflow:
    """Stands for the mlflow package: notes what it is asked to do."""

    def __init__(self) -> None:
        self.__spec__ = SimpleNamespace()  # what find_spec looks at
        self.calls: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, kwargs.get("run_id", kwargs.get("step", args))))
            return SimpleNamespace(info=SimpleNamespace(run_id="run-7"))

        return call

    def seen(self, name: str) -> list[Any]:
        return [what for called, what in self.calls if called == name]


def test_mlflow_is_used_where_it_is_set_up(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow, preset = FakeMlflow(), tiny_preset("synthesis")
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    Run(preset, store, tmp_path / "without").train()
    assert not mlflow.calls
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:1")
    Run(preset, store, tmp_path / "run").train()
    assert mlflow.seen("log_metrics") == [1, 2, 3, 4, 5, 6, 6]  # six steps, one validation
    assert mlflow.seen("log_artifact") == [(str(tmp_path / "run" / "pictures" / "step-000006.png"), "pictures")]
    Run(preset, store, tmp_path / "run", resume=True).train()
    assert mlflow.seen("start_run") == [None, "run-7"]
    assert len(mlflow.seen("end_run")) == 2


def test_a_missing_mlflow_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:1")
    monkeypatch.setattr("training.logs.find_spec", lambda name: None)
    assert len(open_logs(tmp_path, tiny_preset("synthesis"), 0)) == 2
    assert "mlflow is not installed" in capsys.readouterr().out


def shown(*, terminal: bool) -> str:
    run = SimpleNamespace(spent=0.0, progress=0.0)
    console = Console(file=StringIO(), force_terminal=terminal, width=120, legacy_windows=False, soft_wrap=True)
    display = Display(run, console)
    for step in range(1, 5):
        run.spent, run.progress = run.spent + 6.0, step / 8
        display.losses(step, {"loss": 0.5})
    display.validation(4, {"model_psnr": 31.0}, Path("sample.png"))
    display.close()
    file = console.file
    assert isinstance(file, StringIO)
    return file.getvalue()


def test_a_terminal_gets_a_bar_with_the_time_left() -> None:
    text = shown(terminal=True)
    assert "━" in text
    assert "50%" in text
    assert "left" in text
    assert "model_psnr 31.000" in text


def test_a_log_file_gets_lines_ten_seconds_apart() -> None:
    assert shown(terminal=False).splitlines() == [
        "step 2  loss 0.5000  0.6 min left",
        "step 4  loss 0.5000  0.4 min left",
        "step 4: model_psnr 31.000",
    ]
