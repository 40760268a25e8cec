"""What the page, the key and the answers of a reader study have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

LIKERT: dict[int, str] = {
    1: "not separable",
    2: "mostly not separable",
    3: "partly separable",
    4: "mostly separable",
    5: "fully separable",
}
"""How well pulmonary arteries and veins can be told apart around the nodule."""

ORIGIN = ("real", "synthetic")


class StudyError(ValueError):
    """A reader study that cannot be prepared or scored. The sentence names the file and the items."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Shown(_Record):
    """What an item is: known to the key alone.

    Attributes:
        case, arm: as the caller named them.
        synthetic: the truth of the real-or-synthetic part; None where nobody asks.
    """

    case: str
    arm: str
    synthetic: bool | None


class Key(_Record):
    """The file that unblinds a study.

    Attributes:
        format: of this file.
        study: digest of everything the page shows.
        seed: of the order.
        separability, origin: what each item of the two parts is, in the order of the page.
    """

    format: Literal["pulmomap reader study key 1"] = "pulmomap reader study key 1"
    study: str
    seed: int
    separability: dict[str, Shown]
    origin: dict[str, Shown]


class Answer(_Record):
    """One answer: 1 to 5, or real / synthetic."""

    item: str
    value: StrictInt | StrictStr


class Answers(_Record):
    """The file a reader's browser writes. A list, because JSON objects hide a repeated name."""

    format: Literal["pulmomap reader study answers 1"]
    study: str
    reader: str = Field(pattern=r"^[A-Za-z0-9_-]{1,20}$")
    answers: tuple[Answer, ...]


Record = TypeVar("Record", bound=_Record)


def read(kind: type[Record], path: Path) -> Record:
    """Read a key or a file of answers.

    Raises:
        StudyError: naming the file and the first field that is wrong.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole file"
        raise StudyError(f"{path}: {place}: {first['msg']}") from None
