"""Safe access to the attributes of a data set that somebody else wrote.

pydicom converts values lazily: a malformed value raises on first use, far from where the file was read. Here a
malformed value counts as missing, so that a rule can name the attribute in one sentence. Values are never logged:
pydicom's own warnings, which quote them, are switched off around each access.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydicom import Dataset
from pydicom.config import disable_value_validation
from pydicom.multival import MultiValue

from pulmomap.refusals import Refusal, Refused

OWN_NAME = "PulmoMAP"
"""What marks an object as made by this application: in Manufacturer, model name or contributing equipment."""


@contextmanager
def quiet_parser() -> Iterator[None]:
    """While files are parsed: no word from pydicom, whose warnings and log lines quote values and file names."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(), disable_value_validation():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def value(dataset: Dataset, keyword: str) -> Any | None:
    """The converted value of an attribute; None where it is missing, empty or malformed."""
    try:
        with disable_value_validation():
            found = dataset.get(keyword)
    except Exception:  # pydicom raises whatever the bytes provoke
        return None
    return None if found is None or (hasattr(found, "__len__") and len(found) == 0) else found


def text(dataset: Dataset, keyword: str) -> str:
    """The stripped text of a single-valued attribute; the values joined by a backslash if there are several."""
    return "\\".join(texts(dataset, keyword))


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """The stripped texts of a multi-valued attribute; empty where it is missing."""
    found = value(dataset, keyword)
    if found is None:
        return ()
    values: Sequence[Any] = found if isinstance(found, MultiValue | list | tuple) else [found]
    return tuple(str(one).strip().strip("\0") for one in values)


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """Exactly ``count`` finite numbers; None where the attribute is missing or something else."""
    found = value(dataset, keyword)
    if found is None:
        return None
    values: Sequence[Any] = found if isinstance(found, MultiValue | list | tuple) else [found]
    try:
        converted = tuple(float(one) for one in values)
    except (TypeError, ValueError):
        return None
    return converted if len(converted) == count and all(map(math.isfinite, converted)) else None


def number(dataset: Dataset, keyword: str) -> float | None:
    """One finite number or None."""
    found = numbers(dataset, keyword, 1)
    return None if found is None else found[0]


def integer(dataset: Dataset, keyword: str) -> int | None:
    """One whole number or None."""
    found = number(dataset, keyword)
    return int(found) if found is not None and found == int(found) else None


def items(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """The items of a sequence; empty where it is missing or not a sequence."""
    found = value(dataset, keyword)
    try:
        return tuple(one for one in found if isinstance(one, Dataset)) if found is not None else ()
    except TypeError:
        return ()


def missing(keyword: str) -> Refused:
    """The refusal for a required attribute that is missing, empty or malformed."""
    return Refused(Refusal.INCOMPLETE_HEADER, f"{keyword} is missing, empty or malformed; send the original images")


def is_own_output(dataset: Dataset) -> bool:
    """Whether this application made the object (the guard against processing our own results again)."""
    equipment = [dataset, *items(dataset, "ContributingEquipmentSequence")]
    named = (text(one, keyword) for one in equipment for keyword in ("Manufacturer", "ManufacturerModelName"))
    return any(OWN_NAME.lower() in name.lower() for name in named)
