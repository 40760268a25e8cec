"""Wait for the results of a study, and say where they can be seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlencode

import httpx

from deploy.demo.site import Site

WANTED = {"CT": 2, "SEG": 1, "SR": 1}  # series of a study with its results: the source, Syn-CECT, vessels, measurements


def study_uid(site: Site) -> str:
    """Return the Study Instance UID of the site's only study."""
    (study,) = _search(site, "studies")
    return str(study["0020000D"]["Value"][0])


def series_by_modality(site: Site) -> dict[str, int]:
    """Count the study's series by modality, as a person at the origin finds them."""
    found: dict[str, int] = {}
    for series in _search(site, f"studies/{study_uid(site)}/series"):
        modality = str(series["00080060"]["Value"][0])
        found[modality] = found.get(modality, 0) + 1
    return found


def wait_for_results(site: Site, seconds: float, check: Callable[[], None]) -> None:
    """Return when the study has its results.

    Args:
        site: where.
        seconds: how long to wait.
        check: called between two looks; raises if waiting is in vain.

    Raises:
        TimeoutError: one sentence with what is there so far.
    """
    end = time.monotonic() + seconds
    while any(series_by_modality(site).get(modality, 0) < count for modality, count in WANTED.items()):
        check()
        if time.monotonic() > end:
            raise TimeoutError(f"no results after {seconds:.0f} s; the study has {series_by_modality(site)}")
        time.sleep(1.0)


def view_address(site: Site) -> str:
    """Return the address that opens the study with its vessels drawn over the CT."""
    # The hanging protocol of OHIF's segmentation extension loads a SEG without being asked to.
    query = urlencode({"StudyInstanceUIDs": study_uid(site), "hangingProtocolId": "@ohif/seg"})
    return f"{site.origin}/viewer?{query}"


def _search(site: Site, path: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{site.origin}/pacs/{path}", auth=site.person, timeout=30).raise_for_status()
    return [] if answer.status_code == 204 else cast(list[dict[str, Any]], answer.json())
