"""No identifier reaches a log line, whoever logs it and however."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest
from pydicom import Dataset

from app.logs import JsonLines, Redactor, identifiers


@pytest.fixture
def header() -> Dataset:
    header = Dataset()
    header.PatientName = "Canary^Yellow^Bird"
    header.PatientID = "MRN-0042-77"
    header.OtherPatientIDs = ["ALT-991", "ALT-992"]
    header.PatientBirthDate = "19470131"
    header.AccessionNumber = "ACC55501"
    return header


@pytest.fixture
def stream(header: Dataset) -> Iterator[StringIO]:
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    redactor = Redactor()
    redactor.hide(identifiers([header]))
    handler.addFilter(redactor)
    logger = logging.getLogger("canary")
    logger.addHandler(handler)
    logger.propagate = False
    yield stream
    logger.removeHandler(handler)


def test_identifiers_are_whole_values_and_parts_of_names(header: Dataset) -> None:
    found = identifiers([header])
    assert {"Canary^Yellow^Bird", "Canary", "Yellow", "Bird", "MRN-0042-77", "ALT-992", "19470131"} <= found


def test_short_values_do_not_blank_the_log() -> None:
    header = Dataset()
    header.PatientID = "1"
    assert identifiers([header]) == set()


def test_message_arguments_and_traceback_are_cleaned(stream: StringIO) -> None:
    log = logging.getLogger("canary")
    log.error("patient %s, id %s", "Canary^Yellow^Bird", "MRN-0042-77")
    try:
        raise ValueError("born 19470131, CANARY is not Canary")
    except ValueError:
        log.exception("failed for ALT-991")
    text = stream.getvalue()
    for secret in ("Canary", "Yellow", "MRN-0042-77", "ALT-991", "19470131"):
        assert secret not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines[0]["message"] == "patient [removed], id [removed]"
    assert "ValueError" in lines[1]["trace"]


def test_lines_are_json_with_facts(stream: StringIO) -> None:
    logging.getLogger("canary").warning("stage done", extra={"facts": {"key": "abc", "stage": "volume"}})
    line = json.loads(stream.getvalue())
    assert (line["level"], line["message"], line["key"], line["stage"]) == ("WARNING", "stage done", "abc", "volume")
    assert line["time"].endswith("Z")
