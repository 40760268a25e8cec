"""What can go wrong with a job, by name. ``docs/gateway.md`` has a row for each; a test keeps the two together."""

from __future__ import annotations

from enum import Enum


class Fault(str, Enum):
    """Why an attempt failed or a series was refused by the gateway itself. The value says what to do."""

    TOO_LARGE = "the series declares more than the limits allow; raise limits in the settings or send less"
    TAGS_UNREADABLE = "Orthanc's answer about the series' tags cannot be parsed"
    APP_FAILED = "the app failed on this series; its log lines say where"
    APP_USAGE = "the app refused its command line or settings (exit code 2); run it once by hand"
    APP_TIMEOUT = "the app ran past its time limit and was killed"
    APP_NOT_FOUND = "the app's command cannot be started"
    RESULTS_INVALID = "the app's results are not what its manifest promises"
    RESULTS_GONE = "stored results have disappeared from Orthanc; the series is processed again"
    STORE_REFUSED = "Orthanc refused a result"
    PULL_FAILED = "Orthanc did not hand out a file of the series"
    TARGET_FAILED = "a target did not take the results"
    NOT_COMMITTED = "a target took the results but did not commit to keeping them"
    NO_SPACE = "the work folder's disk is full"
    WORKER_DIED = "workers died while holding this job, too often"
    UNEXPECTED = "an error that the gateway does not know; the log has the class"


class JobError(Exception):
    """An attempt at a job failed; it will be tried again until the retries are used up.

    Args:
        code: the named fault.
        detail: one sentence with the facts, free of patient identifiers.
    """

    def __init__(self, code: Fault, detail: str) -> None:
        super().__init__(f"{code.name}: {detail}")
        self.code = code
        self.detail = detail


class Stopped(Exception):
    """The worker was asked to stop and its grace has ended."""
