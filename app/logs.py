"""Log lines: for people on a terminal, JSON elsewhere, without patient identifiers in either."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterable

from pydicom import Dataset
from pydicom.multival import MultiValue

IDENTIFYING = (
    "PatientName",
    "PatientID",
    "OtherPatientNames",
    "OtherPatientIDs",
    "PatientBirthDate",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "AccessionNumber",
    "ReferringPhysicianName",
    "InstitutionName",
    "StudyID",
    "StudyDate",
    "SeriesDate",
    "AcquisitionDate",
    "ContentDate",
)
# Shorter values (a PatientID of "1") stand in every line by chance; hiding them would hide the line.
SHORTEST = 4


def identifiers(headers: Iterable[Dataset]) -> set[str]:
    """Every identifying value, and every part of a name, that must not reach a log line."""
    found: set[str] = set()
    for header in headers:
        for keyword in IDENTIFYING:
            value = header.get(keyword)
            for single in value if isinstance(value, (list, tuple, MultiValue)) else [value]:
                text = str(single or "").strip()
                found.update(part for part in (text, *text.replace("^", " ").split()) if len(part) >= SHORTEST)
    return found


class Redactor(logging.Filter):
    """Blanks identifying values in every record that passes, whoever logged it."""

    def __init__(self) -> None:
        super().__init__()
        self._values: list[str] = []

    def hide(self, values: set[str]) -> None:
        """Blank these values from now on."""
        self._values = sorted({*self._values, *values}, key=len, reverse=True)

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._clean(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = self._clean(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True

    def _clean(self, text: str) -> str:
        for value in self._values:
            text = text.replace(value, "[removed]")
        return text


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_text:
            line["trace"] = record.exc_text
        return json.dumps(line, ensure_ascii=False)


def set_up(level: str) -> Redactor:
    """Send all logging to standard error and return the filter that keeps it free of identifiers."""
    redactor = Redactor()
    handler: logging.Handler
    if sys.stderr.isatty():
        from rich.logging import RichHandler

        handler = RichHandler(show_path=False, rich_tracebacks=False, markup=False)
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines())
    handler.addFilter(redactor)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    if level != "DEBUG":
        # pydicom and highdicom warn about every oddity of a source's header; what matters is in flags and refusals.
        for name in ("pydicom", "highdicom", "py.warnings", "monai"):
            logging.getLogger(name).setLevel(logging.ERROR)
    return redactor
