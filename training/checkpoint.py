"""Checkpoints that are whole or absent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from training.recipe import RecipeError

CHECKPOINT = "checkpoint.pt"


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
