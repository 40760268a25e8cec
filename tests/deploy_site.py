"""The site of deploy/demo for tests: the real programs on loopback, or a skip that says what is missing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.demo.programs import ProgramError, find_program
from deploy.demo.site import Site, prepare, running


def missing(reason: str) -> None:
    """Skip on a user's machine; fail in CI, where every part must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def program(name: str, package: str, *preferred: str) -> str:
    try:
        return find_program(name, package, *preferred)
    except ProgramError as error:
        missing(str(error))
        raise


def need_programs() -> None:
    """Have everything that a site runs."""
    for name, package in (
        ("Orthanc", "orthanc"),
        ("nginx", "nginx-light"),
        ("openssl", "openssl"),
        ("dcmqrscp", "dcmtk"),
        ("storescu", "dcmtk"),
    ):
        program(name, package)
    for plugin in ("libOrthancDicomWeb.so", "libOrthancPython.so"):
        if not (Path("/usr/share/orthanc/plugins") / plugin).is_file():
            missing(f"{plugin} is not installed (Debian and Ubuntu: orthanc-dicomweb and orthanc-python)")


@contextmanager
def started(folder: Path, viewer: Path, **environment: str) -> Iterator[Site]:
    need_programs()
    site = Site(folder, viewer)
    prepare(site)
    with running(site, environment):
        yield site


def send(site: Site, *paths: Path, calling: str = "PACS", called: str = "PULMOMAP") -> subprocess.CompletedProcess[str]:
    """C-STORE by dcmtk. pynetdicom has a storescu of its own, which an active environment puts first."""
    storescu = program("storescu", "dcmtk", "/usr/bin/storescu")
    command = [storescu, "-R", "+sd", "+r", "-aet", calling, "-aec", called, "127.0.0.1", str(site.dicom_port)]
    return subprocess.run([*command, *map(str, paths)], capture_output=True, text=True, timeout=120, check=False)
