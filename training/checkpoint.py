"""Checkpoints that are whole or absent, and the run's journal."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch

from training.recipe import RecipeError

CHECKPOINT = "checkpoint.pt"
JOURNAL = "journal.jsonl"


def save_checkpoint(run: Path, state: dict[str, Any]) -> None:
    """Write the checkpoint under a temporary name, then rename it: a kill never leaves half a file."""
    partial = run / f".{CHECKPOINT}.{os.getpid()}.partial"
    torch.save(state, partial)
    os.replace(partial, run / CHECKPOINT)


def load_checkpoint(run: Path) -> dict[str, Any]:
    """Read a run's checkpoint. Raises RecipeError when there is none."""
    path = run / CHECKPOINT
    if not path.is_file():
        raise RecipeError(f"{path} is missing; run `python -m training fit` first")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


class Journal:
    """One JSON object a line: the losses and the validations of a run, by step.

    Args:
        run: the run's folder.
        since: a resumed run's step; later lines belong to work that was lost and is done again.
    """

    def __init__(self, run: Path, since: int) -> None:
        self.path = run / JOURNAL
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []
        kept = [line for line in lines if json.loads(line)["step"] <= since]
        self.path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def write(self, step: int, **figures: float | str) -> None:
        rounded = {key: round(value, 5) if isinstance(value, float) else value for key, value in figures.items()}
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, **rounded}) + "\n")
