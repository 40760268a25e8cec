"""`python -m training compare` with tiny random networks: rows, the paper beside them, going on, wrong usage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from training.__main__ import main
from training.evaluation.arms import _first_from_the_front
from training.store import Case


def test_every_arm_stands_beside_the_paper(
    make_case: Callable[[str, int], Case],
    models: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for seed in (1, 2, 3):
        make_case(f"case-{seed}", seed)
    out = tmp_path / "out"
    command = ["compare", str(tmp_path / "store"), "--models", str(models), "--out", str(out), "--threads", "1"]
    command += ["--arm", f"nnU-Net={models}", "--plain-arm", f"3D U-Net={models / 'vessel_segmentation'}"]
    command += ["--syn-arm", f"two-stage={models}", "--plain-arm", f"own={models}", "--syn-arm", f"own={models}"]
    assert main(command) == 0
    said = capsys.readouterr()
    assert "case-3 measured" in said.err
    means = json.loads((out / "comparison.json").read_text())
    assert list(means) == [
        "shipped, NCCT",
        "nnU-Net, NCCT",
        "3D U-Net, NCCT",
        "own, NCCT",
        "shipped, NCCT + Syn-CECT",
        "nnU-Net, NCCT + Syn-CECT",
        "own, NCCT + Syn-CECT",
        "two-stage, NCCT + Syn-CECT",
    ]
    assert means["shipped, NCCT"] == means["3D U-Net, NCCT"]  # one bundle under two names
    assert means["shipped, NCCT + Syn-CECT"] != means["shipped, NCCT"]
    text = (out / "comparison.md").read_text()
    assert text in said.out
    assert "| *nnU-Net* | – | – | – | – | 80.6 | 79.9 | 74.9 | 80.2 | 68.2 |" in text
    assert "| shipped: dice_pa |" in text
    assert "| own: dice_pa |" in text  # a network for each image, one arm
    assert "| 3D U-Net: dice_pa |" not in text
    assert "| two-stage: dice_pa |" not in text
    for table in text.split("### ")[1:]:  # every row has as many cells as its heading
        assert len({line.count("|") for line in table.splitlines() if line.startswith("|")}) == 1
    assert main(command) == 0
    assert "case-3 is there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--arm", "shipped=x"], "the arm shipped is given twice"),
        (["--arm", "a"], "write NAME=FOLDER"),
        (["--arm", "a={models}", "--plain-arm", "a={models}"], "the arm a is given twice"),
        (["--syn-arm", "a={models}", "--syn-arm", "a={models}"], "the arm a is given twice"),
        (["--arm", "a={models}/nowhere"], "cannot be read"),
    ],
)
def test_wrong_arms_are_one_sentence_and_2(
    words: list[str], said: str, store: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compare", str(store), "--models", str(models), "--out", str(tmp_path / "out")]
    assert main([*command, *(word.format(models=models) for word in words)]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error


def test_picture_shows_the_foremost_vessel() -> None:
    labels = np.zeros((2, 4, 3), np.uint8)
    labels[0, 1, 0], labels[0, 3, 0], labels[1, 2, 2] = 2, 1, 1
    assert _first_from_the_front(labels).tolist() == [[2, 0, 0], [0, 0, 1]]
