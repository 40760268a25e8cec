"""Fetch the viewer: ``python -m deploy.ohif.fetch [FOLDER]`` prints the folder that a web server shows."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PIN = Path(__file__).with_name("pin.json")


class ViewerError(RuntimeError):
    """The viewer cannot be had: one sentence says why and what to do."""


def cache() -> Path:
    """The folder for fetched viewers: ``PULMOMAP_CACHE``, else ``~/.cache/pulmomap``."""
    return Path(os.environ.get("PULMOMAP_CACHE") or Path.home() / ".cache" / "pulmomap")


def fetch_viewer(folder: Path | None = None, pin: Path = PIN) -> Path:
    """Return the folder with OHIF's files (``index.html`` in it), fetching it by npm if it is not there yet.

    The folder's name follows from the pinned digest, and it appears at once when all of it is checked and unpacked.

    Raises:
        ViewerError: npm is missing or fails, or the package is not the pinned one.
    """
    pinned = json.loads(pin.read_text())
    name, integrity = str(pinned["package"]), str(pinned["integrity"])
    parent = folder or cache()
    target = parent / f"ohif-{hashlib.sha256(integrity.encode()).hexdigest()[:16]}"
    if (target / "index.html").is_file():
        return target
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=".partial-") as work:
        archive = _pack(name, Path(work))
        check(archive, integrity)
        # The filter refuses links and paths that lead out of the folder.
        with tarfile.open(archive) as package:
            package.extractall(work, filter="data")
        unpacked = Path(work) / "package" / "dist"
        if not (unpacked / "index.html").is_file():
            raise ViewerError(f"{name} holds no dist/index.html; pin a version with ready-made files")
        _publish(unpacked, target)
    return target


def check(archive: Path, integrity: str) -> None:
    """Raise ViewerError unless the file has the digest of an npm integrity string (``sha512-BASE64``)."""
    algorithm, _, expected = integrity.partition("-")
    found = base64.b64encode(hashlib.new(algorithm, archive.read_bytes()).digest()).decode()
    if found != expected:
        raise ViewerError(f"{archive.name} has {algorithm} {found}, not the pinned {expected}; do not use it")


def _pack(name: str, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise ViewerError("npm is not installed; install it (Debian and Ubuntu: the package npm) to fetch the viewer")
    command = [npm, "pack", name, "--silent", "--pack-destination", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    archives = list(folder.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        reason = (done.stderr.strip().splitlines() or ["it gave no archive"])[-1]
        raise ViewerError(f"npm pack {name} failed: {reason}")
    return archives[0]


def _publish(unpacked: Path, target: Path) -> None:
    try:
        unpacked.rename(target)
    except OSError:
        if not (target / "index.html").is_file():  # else another process was faster
            raise


if __name__ == "__main__":
    try:
        print(fetch_viewer(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
    except ViewerError as error:
        sys.exit(f"pulmomap: {error}")
