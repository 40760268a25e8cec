"""From Orthanc's answer about tags to pydicom data sets, without a pixel being read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag

from pulmomap.dicom.header import quiet_parser

_WHOLE_NUMBERS = frozenset({"US", "SS", "UL", "SL", "US or SS"})
_FLOATS = frozenset({"FL", "FD"})


class TagsUnreadable(ValueError):
    """Orthanc's answer is no list of tags."""


def parse_instances_tags(answer: bytes) -> dict[str, Dataset]:
    """The headers of a series from ``/series/{id}/instances-tags``, by Orthanc id of the instance.

    Private tags, binary values and values that Orthanc finds too long are left out.

    Raises:
        TagsUnreadable: the answer is not what Orthanc documents (nested too deeply, for one).
    """
    try:
        with quiet_parser():
            return {name: _dataset(tags) for name, tags in json.loads(answer).items()}
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError) as error:
        raise TagsUnreadable(type(error).__name__) from None


def _dataset(tags: Mapping[str, Any]) -> Dataset:
    dataset = Dataset()
    for tag, vr, found in _known(tags):
        if vr == "SQ":
            dataset.add_new(tag, vr, [_dataset(item) for item in found])
            continue
        try:
            dataset.add_new(tag, vr.split(" ")[0], _value(vr, str(found)))
        except (ValueError, OverflowError):  # malformed counts as missing, as everywhere
            continue
    return dataset


def _known(tags: Mapping[str, Any]) -> Iterator[tuple[Any, str, Any]]:
    for name, entry in tags.items():
        group, _, element = name.partition(",")
        tag = Tag(int(group, 16), int(element, 16))
        if entry["Type"] not in ("String", "Sequence") or tag.is_private:
            continue
        try:
            vr = dictionary_VR(tag)
        except KeyError:
            continue
        if (vr == "SQ") == (entry["Type"] == "Sequence"):
            yield tag, vr, entry["Value"]


def _value(vr: str, text: str) -> Any:
    values = text.split("\\")
    if vr in _WHOLE_NUMBERS:
        return [int(one) for one in values] if len(values) > 1 else int(text)
    if vr in _FLOATS:
        return [float(one) for one in values] if len(values) > 1 else float(text)
    return values if len(values) > 1 else text
