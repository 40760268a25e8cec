from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from training.__main__ import main, parser, seconds, seed_range


def test_times_and_seed_ranges() -> None:
    assert [seconds(text) for text in ("90s", "40m", "1.5h")] == [90, 2400, 5400]
    assert list(seed_range("3:6")) == [3, 4, 5]
    for command in (["--time-budget", "40"], ["--time-budget", "forty minutes"]):
        with pytest.raises(SystemExit):
            parser().parse_args(["fit", "enhance_gan", "--data", "d", "--out", "o", *command])


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from training.__main__ import parser; parser(); print({'torch', 'monai'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


def test_a_refusal_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "enhance_gan", "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("training: there is no store at")
    assert "\n" not in said


def test_a_whole_run_by_the_command_line(tmp_path: Path, store: Path) -> None:
    command = ["fit", "enhance_gan", "--preset", "smoke", "--data", str(store), "--out", str(tmp_path / "run")]
    assert main([*command, "--threads", "1"]) == 0
    assert main(command) == 2
    assert main([*command, "--resume"]) == 0
