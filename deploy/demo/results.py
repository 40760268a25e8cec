"""Wait until the gateway has done its work, and say where the results can be seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

import httpx

from deploy.demo.site import Site

OWN = "PulmoMAP"  # what our results bear as Manufacturer
METADATA = 5200  # where the gateway keeps the job of a series, docs/gateway.md
ENDED = frozenset({"done", "refused", "dead"})


@dataclass(frozen=True)
class Job:
    """The gateway's job of one series: its state ("" where it has none yet), and why it is so."""

    study: str
    state: str
    code: str = ""
    detail: str = ""


def jobs(site: Site) -> list[Job]:
    """Return the job of each series that is not a result of ours."""
    with httpx.Client(base_url=site.rest, auth=site.gateway, timeout=30) as orthanc:
        series = orthanc.get("/series?expand").raise_for_status().json()
        sources = [one for one in series if one["MainDicomTags"].get("Manufacturer") != OWN]
        return [_job(orthanc, one) for one in sources]


def wait_for_results(site: Site, seconds: float, check: Callable[[], None]) -> list[Job]:
    """Return the jobs once all of them have ended and at least one is done: its results are stored and forwarded.

    Args:
        site: where.
        seconds: how long to wait.
        check: called between two looks; raises if waiting is in vain.

    Raises:
        TimeoutError: one sentence with the jobs so far.
        RuntimeError: no series got results; one sentence says why, series by series.
    """
    end = time.monotonic() + seconds
    while not (found := jobs(site)) or any(job.state not in ENDED for job in found):
        check()
        if time.monotonic() > end:
            raise TimeoutError(f"no results after {seconds:.0f} s; the jobs are {[job.state for job in found]}")
        time.sleep(0.5)
    if all(job.state != "done" for job in found):
        raise RuntimeError("; ".join(sorted({f"{job.state}, {job.code}: {job.detail}" for job in found})))
    return found


def view_address(site: Site, study: str) -> str:
    """Return the address that opens a study, by its UID, with its vessels drawn over the CT."""
    # The hanging protocol of OHIF's segmentation extension loads a SEG without being asked to.
    query = urlencode({"StudyInstanceUIDs": study, "hangingProtocolId": "@ohif/seg"})
    return f"{site.origin}/viewer?{query}"


def _job(orthanc: httpx.Client, series: dict[str, Any]) -> Job:
    parent = orthanc.get(f"/studies/{series['ParentStudy']}").raise_for_status().json()
    study = str(parent["MainDicomTags"]["StudyInstanceUID"])
    answer = orthanc.get(f"/series/{series['ID']}/metadata/{METADATA}")
    if answer.status_code == 404:
        return Job(study, "")
    record = cast("dict[str, str]", answer.raise_for_status().json())
    return Job(study, record["state"], record["code"], record["detail"])
