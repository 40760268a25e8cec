"""Checkpoints that are whole or absent, and what they say of their origin."""

from __future__ import annotations

import os
import subprocess
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


def clear_partials(run: Path) -> None:
    """Remove what a kill left of checkpoints that were being written."""
    for path in run.glob(f".{CHECKPOINT}.*.partial"):
        path.unlink()


def load_checkpoint(run: Path) -> dict[str, Any]:
    """Read a run's checkpoint. Raises RecipeError when there is none."""
    path = run / CHECKPOINT
    if not path.is_file():
        raise RecipeError(f"{path} is missing; run `python -m training fit` first")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def describe(state: dict[str, Any]) -> str:
    """A run in a few words, for the model card of one that starts from its weights."""
    steps, seconds, origin = state["step"], round(state["spent"]), state["started_from"]
    return f"the weights of a run of {steps} steps, {seconds} s, split {state['split']}, which started from {origin}"


def commit() -> str:
    """The git commit of the training code, or 'unknown' outside a checkout."""
    here = Path(__file__).parent
    answer = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"
