"""The three stages and their parameter maps."""

from __future__ import annotations

from pathlib import Path

STAGES = ("rigid", "affine", "bspline")


def map_file(stage: str) -> Path:
    """elastix' parameter map of a stage: text, with the reason of each choice."""
    return Path(__file__).with_name("maps") / f"{stage}.txt"
