"""Fill in the templates of deploy/nginx: ``${PULMOMAP_NAME}`` and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

PLACE = re.compile(r"\$\{(PULMOMAP_[A-Z_]+)\}")


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace each ``${PULMOMAP_NAME}``.

    Raises:
        KeyError: a name has no value.
    """
    return PLACE.sub(lambda place: values[place[1]], text)


def fill_folder(source: Path, target: Path, values: Mapping[str, str]) -> None:
    """Copy a folder's ``*.conf`` as they are and its ``*.template`` filled in, without that suffix."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.suffix == ".template":
            (target / path.stem).write_text(fill(path.read_text(), values))
        elif path.suffix == ".conf":
            (target / path.name).write_text(path.read_text())
