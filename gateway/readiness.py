"""Is everything there that a worker needs? Each missing thing is one sentence."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from gateway.orthanc import Orthanc, OrthancRefused
from gateway.process import fill_in
from gateway.settings import Settings


def obstacles(orthanc: Orthanc, settings: Settings) -> list[str]:
    """What keeps a worker from starting.

    Raises:
        OrthancAway: Orthanc does not answer.
    """
    return [*_orthanc(orthanc, settings), *_app(settings)]


def unreachable_targets(orthanc: Orthanc, settings: Settings) -> list[str]:
    """Targets that do not answer a C-ECHO: no reason not to start, as results wait for them."""
    silent = [one.name for one in settings.targets if not _answers(orthanc, one.name)]
    return [f"target {name} does not answer a C-ECHO" for name in silent]


def _answers(orthanc: Orthanc, target: str) -> bool:
    try:
        orthanc.post(f"/modalities/{target}/echo", {})
    except OrthancRefused:
        return False
    return True


def _orthanc(orthanc: Orthanc, settings: Settings) -> Iterator[str]:
    try:
        system = orthanc.get("/system") or {}
        known = orthanc.get("/modalities") or []
    except OrthancRefused as error:
        yield f"{error}; are the user name and the password right?"
        return
    if not system.get("CheckRevisions"):
        yield 'Orthanc must have "CheckRevisions": true, or two workers could take the same job'
    for target in settings.targets:
        if target.name not in known:
            yield f"target {target.name} is not among Orthanc's DicomModalities"


def _app(settings: Settings) -> Iterator[str]:
    program = fill_in(settings.app, Path("in"), Path("out"))[0]
    if shutil.which(program) is None:
        yield f"app.command: {program} is not a program"
