"""The readers' table: what a scored reader study found, beside the Enhance-GAN paper."""

from __future__ import annotations

import json
from pathlib import Path

from training.evaluation import paper
from training.evaluation.table import NONE, Group, Table

SCORES = Path("reader_study") / "scores.json"
"""In the output folder; ``evaluate --reader-study OUT/reader_study --score`` writes it."""


def readers(out: Path) -> Table:
    """Enhance-GAN, table 4. Without a scored study, what the paper prints alone."""
    path = out / SCORES
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"table": {}}
    ours: dict[str, str] = content["table"]
    rows = tuple((name, ours.get(name, NONE), *printed) for name, printed in paper.READERS.items())
    note = "" if ours else f"Nobody has read these cases yet: a scored study in {SCORES.parent} fills the column."
    return Table(
        "readers",
        "Separability of arteries and veins, 1 to 5 (Enhance-GAN, table 4)",
        (Group("ours", ("median [quartiles]",)), Group("paper", ("test 1", "test 2"), True)),
        rows,
        (note,) if note else (),
    )
