"""One run of the app on a phantom study, shared by the system tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from app_runs import AppRun, draw_phantom, run_app


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom patient at 2 mm: small enough for many runs."""
    return draw_phantom(tmp_path_factory.mktemp("phantom"), "--spacing", "2")


@pytest.fixture(scope="session")
def phantom_run(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> AppRun:
    """The app on the phantom's NCCT with the SEG of its nodules beside it."""
    study = tmp_path_factory.mktemp("study")
    for name in ("ncct", "seg"):
        shutil.copytree(phantom / name, study / name)
    return run_app(study, tmp_path_factory.mktemp("out"))
