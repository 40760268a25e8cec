"""The benchmark's methods give the same numbers, on a volume small enough for every run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import evaluation


def test_benchmark_measures_methods_that_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "evaluation.json"
    words = ["evaluation", "--side", "80", "--repeat", "1", "--pairs", "0", "--out", str(out)]
    monkeypatch.setattr("sys.argv", words)
    evaluation.main()  # raises where numbers differ
    rows = {row["what"]: row for row in json.loads(out.read_text())["perinodular"]}
    assert {"ours", "ours_whole", "monai_whole", "monai_blocks"} <= set(rows)
    assert rows["ours"]["times_ours"] == 1
    assert rows["ours"]["numbers"] != rows["ours_whole"]["numbers"]
