"""A small reader study: four cases in three arms, with pictures that say in their comments what they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from training.reader_study import ImageSet

ARMS: dict[str, bool | None] = {"NCCT": None, "Syn-CECT": True, "CECT": False}
CASES = ("Meyer-01", "Meyer-02", "Meyer-03", "Meyer-04")
Choose = Callable[[dict[str, Any]], int | str]


def picture(path: Path, seed: int, comment: str = "", size: tuple[int, int] = (12, 10)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    info = PngInfo()
    info.add_text("Comment", comment)
    pixels = np.random.default_rng(seed).integers(0, 256, size[::-1], dtype=np.uint8)
    Image.fromarray(pixels).save(path, pnginfo=info)
    return path


def image_sets(folder: Path, cases: Sequence[str] = CASES, pictures: int = 2) -> list[ImageSet]:
    sets = []
    for i, case in enumerate(cases):
        for j, (arm, synthetic) in enumerate(ARMS.items()):
            paths = (picture(folder / case / arm / f"{n}.png", 100 * i + 10 * j + n, arm) for n in range(pictures))
            sets.append(ImageSet(case, arm, tuple(paths), synthetic))
    return sets


def answer_file(path: Path, key: Path, reader: str, separability: Choose, origin: Choose) -> Path:
    """What a reader would download who sees through the blinding: the choices are made from the key."""
    truth = json.loads(key.read_text())
    answers = [{"item": item, "value": separability(shown)} for item, shown in truth["separability"].items()]
    answers += [{"item": item, "value": origin(shown)} for item, shown in truth["origin"].items()]
    content = {"format": "pulmomap reader study answers 1", "study": truth["study"], "reader": reader}
    path.write_text(json.dumps({**content, "answers": answers}))
    return path
