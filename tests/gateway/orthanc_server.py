"""A real Orthanc on loopback, with free ports and a folder of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

ORTHANC = Path("/usr/sbin/Orthanc")
STORESCU = Path("/usr/bin/storescu")
DCMQRSCP = Path("/usr/bin/dcmqrscp")
STABLE_AGE_S = 1


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class OrthancServer:
    """One Orthanc server process.

    Args:
        folder: its storage, kept from one start to the next.
        aet: its AE title.
        options: more of its configuration.
    """

    def __init__(self, folder: Path, aet: str = "PULMOMAP", **options: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.aet = folder, aet
        self.http_port, self.dicom_port = free_port(), free_port()
        self.options: dict[str, Any] = {
            "StorageDirectory": str(folder / "db"),
            "IndexDirectory": str(folder / "db"),
            "HttpPort": self.http_port,
            "DicomPort": self.dicom_port,
            "DicomAet": aet,
            "DicomCheckCalledAet": True,
            "RemoteAccessAllowed": False,
            "StableAge": STABLE_AGE_S,
            "OverwriteInstances": True,
            "CheckRevisions": True,
            "DicomAlwaysAllowStore": False,
            "DicomModalities": {"scanner": ["SCANNER", "127.0.0.1", 11112]},
            "ConcurrentJobs": 4,
            "HttpThreadsCount": 8,
            "Plugins": [],
            **options,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(base_url=self.url, timeout=30)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        config = self.folder / "orthanc.json"
        config.write_text(json.dumps(self.options))
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([str(ORTHANC), str(config)], stdout=log, stderr=log)
        for _ in range(600):
            if self._answers():
                return
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.05)
        raise AssertionError("Orthanc did not start within 30 s")

    def _answers(self) -> bool:
        try:
            return self.http.get("/system").is_success
        except httpx.TransportError:
            return False

    def stop(self, *, kill: bool = False) -> None:
        """End it, as a service manager or as a power cut does."""
        if self.process is None:
            return
        self.process.kill() if kill else self.process.terminate()
        self.process.wait(30)
        self.process = None

    def clear(self) -> None:
        """Remove every patient and every known modality but the scanner."""
        for patient in self.get("/patients"):
            self.http.delete(f"/patients/{patient}")
        for name in self.get("/modalities"):
            if name != "scanner":
                self.http.delete(f"/modalities/{name}")
        self.http.delete("/changes")

    def know(self, name: str, aet: str, port: int) -> None:
        """Make a DICOM node on loopback known under a name."""
        self.http.put(f"/modalities/{name}", json=[aet, "127.0.0.1", port]).raise_for_status()

    def get(self, route: str) -> Any:
        answer = self.http.get(route)
        answer.raise_for_status()
        return answer.json()

    def send(self, files: list[Path], aet: str = "SCANNER") -> int:
        """C-STORE files by dcmtk and return its exit code. (pynetdicom has a program of the same name.)"""
        command = [str(STORESCU), "-R", "-aet", aet, "-aec", self.aet, "127.0.0.1", str(self.dicom_port)]
        return subprocess.run([*command, *map(str, files)], capture_output=True, check=False, timeout=120).returncode

    def post(self, files: list[Path]) -> str:
        """Store files by REST, quicker, and return the Orthanc id of their series."""
        answers = [self.http.post("/instances", content=path.read_bytes()) for path in files]
        return str(answers[-1].raise_for_status().json()["ParentSeries"])

    def await_stable(self) -> None:
        """Wait until every series and study is stable."""
        for _ in range(400):
            rows = [*self.get("/series?expand"), *self.get("/studies?expand")]
            if all(one["IsStable"] for one in rows):
                return
            time.sleep(0.05)
        raise AssertionError("the series did not become stable within 20 s")

    def record(self, series: str, number: int = 5200) -> dict[str, Any] | None:
        """The gateway's record of a series."""
        answer = self.http.get(f"/series/{series}/metadata/{number}")
        return None if answer.status_code == 404 else json.loads(answer.text)

    def series(self, **tags: str) -> list[dict[str, Any]]:
        """Every series with these main tags."""
        found = self.get("/series?expand")
        return [one for one in found if all(one["MainDicomTags"].get(name) == text for name, text in tags.items())]

    def own(self) -> dict[str, list[int]]:
        """Instances of our results by modality: one number a series."""
        counts: dict[str, list[int]] = {}
        for one in self.series(Manufacturer="PulmoMAP"):
            counts.setdefault(one["MainDicomTags"]["Modality"], []).append(len(one["Instances"]))
        return {name: sorted(counts[name]) for name in sorted(counts)}
