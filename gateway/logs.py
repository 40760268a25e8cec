"""Log lines of the gateway: one JSON object each, built from hashes and counts, never from patient data."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

log = logging.getLogger("gateway.app")


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
        if record.exc_info:
            line["trace"] = _where(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up(level: str) -> None:
    """Send all logging to standard error as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in ("httpx", "httpcore", "pydicom", "py.warnings"):  # they quote addresses and values
        logging.getLogger(name).setLevel(logging.ERROR)


def short(orthanc_id: str) -> str:
    """What stands for a series in the log: the first digits of its Orthanc id, which is a hash of its UIDs."""
    return orthanc_id[:8]


def relay(output: Path) -> None:
    """Pass on what a program wrote, as far as it is log lines of our kind: those are free of identifiers.

    Anything else (a library's warning, a crash of an interpreter) may quote a header and is only counted.
    """
    if not output.exists():
        return
    dropped = 0
    with output.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if _is_log_line(line):
                sys.stderr.write(line)
            else:
                dropped += bool(line.strip())
    if dropped:
        log.info("the app wrote %d lines that are no log lines; they are not repeated here", dropped)


def facts(**values: Any) -> dict[str, Any]:
    """Structured facts of a log line: ``log.info("...", extra=facts(series=...))``."""
    return {"facts": values}


def _is_log_line(line: str) -> bool:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"time", "level", "message"} <= found.keys()


def _where(error: Any) -> str:
    """Class and places of an exception. Its words may quote a header, so they are left out."""
    kind, _, trace = error
    places = []
    while trace is not None:
        places.append(f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{getattr(kind, '__name__', kind)} at {' < '.join(reversed(places))}"
