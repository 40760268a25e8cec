"""The base image where no registry can be reached: the same Debian, from the package mirror."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from container.engine import DockerError, NoEngineError, docker

NAME = "debian:bookworm-slim"
MIRROR = "http://deb.debian.org/debian"
SOURCES = f"""\
deb {MIRROR} bookworm main
deb {MIRROR} bookworm-updates main
deb {MIRROR}-security bookworm-security main
"""
# What the official slim image leaves out too.
LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists")


def ensure_base() -> None:
    """Have :data:`NAME` in the engine: as it is, by pulling it, or else by ``debootstrap``.

    Raises:
        NoEngineError: none of the three is possible.
    """
    for attempt in (("image", "inspect", NAME), ("pull", "--quiet", NAME)):
        try:
            docker(*attempt)
        except DockerError:
            continue
        return
    if shutil.which("debootstrap") is None:
        raise NoEngineError(f"{NAME} cannot be pulled, and debootstrap, which could make it, is not installed")
    with tempfile.TemporaryDirectory(prefix="debootstrap-") as folder:
        _bootstrap(Path(folder))


def _bootstrap(root: Path) -> None:
    command = ["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", str(root), MIRROR]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise NoEngineError(f"debootstrap failed: {(made.stdout.strip().splitlines() or ['no word'])[-1]}")
    for folder in LEFT_OUT:
        shutil.rmtree(root / folder, ignore_errors=True)
    (root / "etc/apt/sources.list").write_text(SOURCES)
    with subprocess.Popen(["tar", "-C", str(root), "--sort=name", "-c", "."], stdout=subprocess.PIPE) as tar:
        subprocess.run(["docker", "import", "-", NAME], stdin=tar.stdout, check=True, capture_output=True)
