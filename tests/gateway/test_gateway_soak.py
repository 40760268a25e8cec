"""A hundred series: every one accounted for, memory flat, and how long it takes."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from made_series import made_series
from orthanc_server import STABLE_AGE_S, OrthancServer
from site_kit import Site

SERIES = 100
WARM_UP = 20
GROWTH_MIB = 20


def state(site: Site, name: str) -> str:
    return str((site.orthanc.record(name) or {}).get("state"))


@pytest.mark.slow
def test_a_hundred_series(site: Site, pacs: OrthancServer, tmp_path: Path) -> None:
    site.settings["targets"] = [{"name": "pacs"}]
    every_tenth_is_refused: list[dict[str, Any]] = [
        {"ContrastBolusAgent": "Iomeprol"} if n % 10 == 9 else {} for n in range(SERIES)
    ]
    files = [made_series(tmp_path / f"ct{n}", n, **odd) for n, odd in enumerate(every_tenth_is_refused)]
    worker = site.start_worker(tmp_path / "log")
    process, memory = psutil.Process(worker.pid), list[float]()
    begin = time.monotonic()
    try:
        names = [site.orthanc.post(one) for one in files]
        for turn in itertools.count():
            ended = sum(state(site, name) in ("done", "refused", "dead") for name in names)
            memory.append(process.memory_info().rss / 2**20)
            if ended == SERIES:
                break
            assert turn < 1200, f"{ended} of {SERIES} after {time.monotonic() - begin:.0f} s"
            time.sleep(0.5)
        seconds = time.monotonic() - begin
    finally:
        worker.terminate()
        worker.wait(30)
    states = [state(site, name) for name in names]
    assert states == ["refused" if odd else "done" for odd in every_tenth_is_refused]
    done = states.count("done")
    assert site.orthanc.own() == pacs.own() == {"CT": [3] * done, "SEG": [1] * done, "SR": [1] * done}
    assert len(site.starts()) == done
    settled = memory[len(memory) * WARM_UP // SERIES :]
    print(f"\n{SERIES} series in {seconds:.0f} s ({3600 * SERIES / seconds:.0f} an hour), {max(memory):.0f} MiB")
    assert max(settled) - settled[0] < GROWTH_MIB


@pytest.mark.slow
def test_seconds_from_stable_to_start(site: Site, tmp_path: Path) -> None:
    """With the product's own polling; the stand-in takes a third of a second to say that it runs. Printed."""
    site.settings["discovery"] = {}
    worker = site.start_worker(tmp_path / "log")
    waits = []
    try:
        for number in range(8):
            name = site.orthanc.post(made_series(tmp_path / f"ct{number}", number))
            while not site.orthanc.get(f"/studies/{site.orthanc.get(f'/series/{name}')['ParentStudy']}")["IsStable"]:
                time.sleep(0.01)
            stable = time.time()
            while len(site.starts()) <= number:
                time.sleep(0.01)
            waits.append(site.starts()[number]["time"] - stable)
            while state(site, name) != "done":
                time.sleep(0.05)
    finally:
        worker.terminate()
        worker.wait(30)
    ordered = sorted(waits)
    print(f"\nstable to started: median {ordered[4]:.2f} s, longest {ordered[-1]:.2f} s (StableAge {STABLE_AGE_S} s)")
