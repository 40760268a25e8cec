"""Any part is killed at any moment: nothing is lost, nothing is doubled, nothing is left behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from made_series import made_series
from orthanc_server import OrthancServer
from site_kit import Site, assert_gone, results_at


def is_done(site: Site, names: list[str]) -> bool:
    return all((site.orthanc.record(name) or {}).get("state") == "done" for name in names)


def is_up(worker: subprocess.Popen[bytes], log: Path) -> bool:
    """Whether a worker has said its name: one still starting has nothing to lose, and knows no orderly end."""
    return f"-{worker.pid}-" in log.read_text()


def kill_something(rng: random.Random, workers: list[subprocess.Popen[bytes]], site: Site, log: Path) -> None:
    """Kill -9 one of the workers, one at work if there is one, or the app that was started last."""
    starts = site.starts()
    if starts and rng.random() < 0.5:
        with suppress(ProcessLookupError):
            os.kill(starts[-1]["pid"], signal.SIGKILL)
        return
    worker = rng.choice([one for one in workers if is_up(one, log)] or workers)
    worker.kill()
    worker.wait()


def survive(site: Site, pacs: OrthancServer, log: Path, kills: int, series: int, seed: int) -> None:
    """Two workers; each that is killed is replaced at once."""
    rng = random.Random(seed)
    site.settings["targets"] = [{"name": "pacs"}]
    site.settings["processing"]["attempts"] = 1000  # killed workers use attempts up, as they must
    site.behave(seconds=0.3)
    names = [site.orthanc.post(made_series(log.parent / f"ct{n}", n)) for n in range(series)]
    workers = [site.start_worker(log) for _ in range(2)]
    try:
        for _ in range(kills):
            time.sleep(rng.uniform(0.1, 1.5))
            kill_something(rng, workers, site, log)
            workers = [site.start_worker(log) if one.poll() is not None else one for one in workers]
        for _ in range(1200):
            if is_done(site, names):
                break
            time.sleep(0.1)
        while not all(is_up(one, log) for one in workers):
            assert [one.poll() for one in workers] == [None, None]
            time.sleep(0.05)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(30)
    assert is_done(site, names), [site.orthanc.record(name) for name in names]
    for server in (site.orthanc, pacs):
        assert server.own() == {"CT": [3] * series, "SEG": [1] * series, "SR": [1] * series}
    assert results_at(pacs) == 5 * series
    assert [one.returncode for one in workers] == [0, 0]
    assert list(site.work.iterdir()) == []
    for start in site.starts():
        assert_gone(start["pid"])


def test_twenty_kills(site: Site, pacs: OrthancServer, tmp_path: Path) -> None:
    survive(site, pacs, tmp_path / "log", kills=20, series=6, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_a_hundred_kills(site: Site, pacs: OrthancServer, tmp_path: Path, seed: int) -> None:
    survive(site, pacs, tmp_path / "log", kills=100, series=40, seed=seed)


def test_app_dies_with_a_killed_worker(site: Site, tmp_path: Path) -> None:
    site.behave(seconds=60)
    site.orthanc.post(made_series(tmp_path / "ct"))
    worker = site.start_worker(tmp_path / "log")
    while not site.starts():
        time.sleep(0.05)
    (start,) = site.starts()
    worker.kill()
    worker.wait()
    assert_gone(start["pid"])


def test_job_that_kills_its_workers_is_given_up(site: Site, tmp_path: Path) -> None:
    """A series that brings the worker down (out of memory) must not take all of them down for ever."""
    site.settings["processing"]["attempts"] = 2
    site.behave(seconds=60)
    name = site.orthanc.post(made_series(tmp_path / "ct"))
    for attempt in (1, 2):
        worker = site.start_worker(tmp_path / "log")
        while len(site.starts()) < attempt:
            time.sleep(0.05)
        worker.kill()
        worker.wait()
    site.worker().until(lambda: (site.orthanc.record(name) or {}).get("state") == "dead")
    assert (site.orthanc.record(name) or {})["code"] == "WORKER_DIED"
    assert len(site.starts()) == 2


def test_stopped_worker_gives_its_job_back(site: Site, tmp_path: Path) -> None:
    """SIGTERM: after its grace the app is ended and the job waits for another worker, no attempt used up."""
    site.settings["app"]["stop_grace_s"] = 0.5
    site.behave(seconds=60)
    name = site.orthanc.post(made_series(tmp_path / "ct"))
    worker = site.start_worker(tmp_path / "log")
    while not site.starts():
        time.sleep(0.05)
    worker.terminate()
    assert worker.wait(20) == 0
    record = site.orthanc.record(name) or {}
    assert (record["state"], record["attempts"], record["worker"]) == ("waiting", 0, "")
    assert_gone(site.starts()[0]["pid"])
    assert list(site.work.iterdir()) == []


def test_stopped_worker_finishes_within_its_grace(site: Site, tmp_path: Path) -> None:
    site.behave(seconds=1)
    name = site.orthanc.post(made_series(tmp_path / "ct"))
    worker = site.start_worker(tmp_path / "log")
    while not site.starts():
        time.sleep(0.05)
    worker.terminate()
    assert worker.wait(20) == 0
    assert (site.orthanc.record(name) or {})["state"] == "done"
    assert results_at(site.orthanc) == 5


def test_two_workers_share_the_work(site: Site, tmp_path: Path) -> None:
    """Every job is started once, and both workers get some."""
    site.behave(seconds=0.5)
    names = [site.orthanc.post(made_series(tmp_path / f"ct{n}", n)) for n in range(6)]
    logs = [tmp_path / "log1", tmp_path / "log2"]
    workers = [site.start_worker(log) for log in logs]
    for _ in range(600):
        if is_done(site, names):
            break
        time.sleep(0.1)
    for worker in workers:
        worker.terminate()
        worker.wait(30)
    assert len(site.starts()) == len({one["key"] for one in site.starts()}) == 6
    assert site.orthanc.own() == {"CT": [3] * 6, "SEG": [1] * 6, "SR": [1] * 6}
    assert all("job done" in log.read_text() for log in logs)
