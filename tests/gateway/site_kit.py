"""A site for tests: an Orthanc, the stand-in for the app, and gateway workers on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import yaml
from orthanc_server import OrthancServer

from gateway.health import Health
from gateway.orthanc import Orthanc
from gateway.settings import Settings, selection_rules
from gateway.stopping import Stop
from gateway.worker import Worker
from gateway.workspace import Workplace

ROOT = Path(__file__).resolve().parents[2]
FAKE_APP = Path(__file__).with_name("fake_app.py")


class Site:
    """One Orthanc with settings for gateways on it.

    Args:
        orthanc: the server.
        folder: for settings, the work folder and what the stand-in writes.
    """

    def __init__(self, orthanc: OrthancServer, folder: Path) -> None:
        self.orthanc, self.folder = orthanc, folder
        self.work = folder / "work"
        self.starts_file = folder / "starts"
        self.behaviour_file = folder / "behaviour.json"
        self._workers: list[LocalWorker] = []
        self.behave()
        self.app_config = folder / "app.yaml"
        self.app_config.write_text("selection:\n  min_slices: 5\n")  # six slices make the point as well as sixty
        self.settings: dict[str, Any] = {
            "orthanc": {"url": orthanc.url, "patience_s": 20},
            "app": {
                "command": [
                    "{python}",
                    str(FAKE_APP),
                    "-i",
                    "{input}",
                    "-o",
                    "{output}",
                    "--behaviour",
                    str(self.behaviour_file),
                ],
                "config": str(self.app_config),
                "stop_grace_s": 10,
            },
            "work": {"folder": str(self.work), "reserve_mib": 0},
            "lease": {"seconds": 1.5, "heartbeat_s": 0.3},
            "processing": {"attempts": 3, "first_s": 0.1, "longest_s": 0.2},
            "forwarding": {"attempts": 200, "first_s": 0.1, "longest_s": 0.2},
            "discovery": {"poll_s": 0.1, "sweep_s": 0.3, "full_sweep_s": 3600},
            "health": {"port": None},
        }

    def behave(self, **behaviour: Any) -> None:
        """Tell the stand-in what to do from its next start on."""
        self.behaviour_file.write_text(json.dumps({"started": str(self.starts_file), **behaviour}))

    def starts(self) -> list[dict[str, Any]]:
        """Every start of the stand-in."""
        text = self.starts_file.read_text() if self.starts_file.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def save_settings(self) -> Path:
        path = self.folder / "gateway.yaml"
        path.write_text(yaml.safe_dump(self.settings))
        return path

    def worker(self) -> LocalWorker:
        """A worker inside this process, to be driven round by round."""
        self._workers.append(LocalWorker(Settings(**self.settings)))
        return self._workers[-1]

    def close(self) -> None:
        """Let every worker of this process go."""
        while self._workers:
            self._workers.pop().close()

    def start_worker(self, log: Path, verb: str = "run") -> subprocess.Popen[bytes]:
        """A worker process of its own."""
        command = [sys.executable, "-m", "gateway", verb, "-c", str(self.save_settings())]
        with log.open("ab") as stream:
            return subprocess.Popen(command, cwd=ROOT, stderr=stream, stdout=stream, env=dict(os.environ))


class LocalWorker:
    """A worker of which one round at a time is run."""

    def __init__(self, settings: Settings) -> None:
        self.stop = Stop(settings.app.stop_grace_s)
        self.health = Health()
        self.orthanc = Orthanc(settings.orthanc, self.stop.wait)
        self.workplace = Workplace(settings.work)
        rules = selection_rules(settings.app)
        self._worker = Worker(settings, rules, self.orthanc, self.workplace, self.health, self.stop)

    def round(self) -> None:
        self._worker.round()

    def until(self, condition: Callable[[], object], rounds: int = 300) -> None:
        """Run rounds until the condition holds."""
        for _ in range(rounds):
            self.round()
            if condition():
                return
            self.stop.idle(0.1)
        raise AssertionError(f"not within {rounds} rounds")

    def close(self) -> None:
        self.workplace.close()
        self.orthanc.close()


def assert_gone(pid: int) -> None:
    """A killed process is gone once its parent, or the system, has taken note."""
    for _ in range(200):
        if not psutil.pid_exists(pid):
            return
        time.sleep(0.05)
    assert psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def results_at(server: OrthancServer) -> int:
    """How many instances a server holds that say that we made them."""
    return sum(sum(counts) for counts in server.own().values())
