"""The page of a reader study: pictures stripped of all but their pixels, in an order drawn by a seed, without names."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image, UnidentifiedImageError

from pulmomap.staging import write_atomically
from training.reader_study.protocol import LIKERT, ORIGIN, Key, Shown, StudyError

PAGE = Path("page") / "reader_study.html"
KEY = "key.json"
_EIGHT_BITS = ("1", "L", "LA", "P", "RGB", "RGBA")

Cases = dict[str, dict[str, "ImageSet"]]


@dataclass(frozen=True)
class ImageSet:
    """The pictures of one case in one arm.

    Attributes:
        case: pseudonym.
        arm: what the pictures are, e.g. NCCT.
        images: PNG files, in the order and of the sizes of the case's other arms.
        synthetic: whether they are, for the real-or-synthetic part; None leaves the arm out of that part.
    """

    case: str
    arm: str
    images: tuple[Path, ...]
    synthetic: bool | None = None


@dataclass(frozen=True)
class Prepared:
    """Where a study lies: ``page`` goes to the readers, ``key`` stays with the investigator."""

    page: Path
    key: Path


def prepare(cases: Sequence[ImageSet], out: Path, seed: int) -> Prepared:
    """Write a blinded, randomised page and, outside its folder, the key.

    Part one asks for the separability of PA and PV (Likert 1 to 5), part two whether the pictures are real. In each
    part every case is seen once before any is seen again, and never twice in a row.

    Args:
        cases: every case in every arm; three arms or more, two cases or more.
        out: folder; ``page/reader_study.html`` needs no network and no other file, ``key.json`` lies beside ``page``.
        seed: of the order. Same seed and pictures, same page.

    Raises:
        StudyError: naming what is repeated, missing or unequal; or if ``out`` holds a study already.
        FileNotFoundError: if a picture is not there.
    """
    by_case = _by_case(cases)
    if (out / KEY).exists():
        raise StudyError(f"{out} holds a study already, whose answers need its key; give another folder")
    rng = random.Random(seed)  # noqa: S311 - an order, not a secret
    separability = _order([list(arms.values()) for arms in by_case.values()], rng)
    asked = [[item for item in arms.values() if item.synthetic is not None] for arms in by_case.values()]
    origin = _order(asked, rng)
    # Pictures are numbered as they are first shown: their place in the page tells nothing.
    places = {item: place for place, item in enumerate(separability)}
    parts = {
        "separability": {f"S{number:03d}": item for number, item in enumerate(separability, 1)},
        "origin": {f"R{number:03d}": item for number, item in enumerate(origin, 1)},
    }
    content = {
        "sets": [[_embedded(image) for image in item.images] for item in separability],
        **{part: {name: places[item] for name, item in items.items()} for part, items in parts.items()},
    }
    study = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    key = Key(study=study, seed=seed, **{part: _shown(items) for part, items in parts.items()})
    prepared = Prepared(out / PAGE, out / KEY)
    prepared.page.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(prepared.key, key.model_dump_json(indent=1).encode())
    write_atomically(prepared.page, _page({"study": study, **content}).encode())
    return prepared


def _shown(items: dict[str, ImageSet]) -> dict[str, Shown]:
    return {name: Shown(case=item.case, arm=item.arm, synthetic=item.synthetic) for name, item in items.items()}


def _by_case(cases: Sequence[ImageSet]) -> Cases:
    """Every case with all its arms, checked."""
    by_case: Cases = defaultdict(dict)
    for item in cases:
        if item.arm in by_case[item.case]:
            raise StudyError(f"case {item.case} has {item.arm} twice; give each arm once")
        by_case[item.case][item.arm] = item
    arms = list(dict.fromkeys(item.arm for item in cases))
    if len(arms) < 3 or len(by_case) < 2:
        raise StudyError(
            f"{len(by_case)} cases in {len(arms)} arms; the Friedman test needs two cases or more, three arms or more"
        )
    for case, sets in by_case.items():
        missing = [arm for arm in arms if arm not in sets]
        if missing:
            raise StudyError(f"case {case} has no {', '.join(missing)}; every case needs every arm")
        _require_one_shape(case, sets)
    _require_both_origins(cases, arms)
    return by_case


def _require_one_shape(case: str, sets: dict[str, ImageSet]) -> None:
    """Pictures of another number or size would tell the arms apart."""
    shapes = {}
    for arm, item in sets.items():
        shapes[arm] = [_size(path) for path in item.images]
    (first, expected), *others = shapes.items()
    if not expected:
        raise StudyError(f"case {case} has no pictures in {first}")
    for arm, shape in others:
        if shape != expected:
            raise StudyError(
                f"case {case}: pictures of {first} are {expected} pixels, of {arm} {shape}; make them equal"
            )


def _require_both_origins(cases: Sequence[ImageSet], arms: Sequence[str]) -> None:
    truths = {arm: {item.synthetic for item in cases if item.arm == arm} for arm in arms}
    mixed = [arm for arm, values in truths.items() if len(values) > 1]
    if mixed:
        raise StudyError(f"{', '.join(mixed)}: marked synthetic in some cases and not in others")
    asked = {value for values in truths.values() for value in values} - {None}
    if len(asked) == 1:
        raise StudyError("the real-or-synthetic part needs a real and a synthetic arm, or none at all")


def _size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            if image.format == "PNG" and image.mode in _EIGHT_BITS:
                return image.size
    except UnidentifiedImageError:
        pass
    raise StudyError(f"{path}: not a PNG picture of 8 bits a channel; window the HU first")


def _order(cases: list[list[ImageSet]], rng: random.Random) -> list[ImageSet]:
    """Rounds in which every case comes once, in an arm drawn for it; no case twice in a row across rounds."""
    drawn = [rng.sample(items, len(items)) for items in cases]
    ordered: list[ImageSet] = []
    for number in range(max(map(len, drawn))):
        turn = [items[number] for items in drawn if number < len(items)]
        rng.shuffle(turn)
        if ordered and turn[0].case == ordered[-1].case:
            turn.append(turn.pop(0))
        ordered += turn
    return ordered


def _embedded(path: Path) -> str:
    """A data URI of the pixels alone: the comments of a PNG may say which arm it is."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("L" if image.mode == "L" else "RGB"))
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _page(content: dict[str, object]) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).resolve().parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # JSON of our own making; "<" could end the script element.
    data = Markup(json.dumps(content).replace("<", "\\u003c"))  # noqa: S704
    return environment.get_template("page.html.j2").render(content=data, likert=LIKERT, origin=ORIGIN)
