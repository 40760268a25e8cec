"""Runs of the app on a phantom study, shared by the system tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from app_runs import AppRun, draw_phantom, run_app, write_quick_models


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom patient at 2 mm: small enough for many runs."""
    return draw_phantom(tmp_path_factory.mktemp("phantom"), "--spacing", "2")


@pytest.fixture(scope="session")
def study(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The phantom's NCCT with the SEG of its nodules beside it."""
    folder = tmp_path_factory.mktemp("study")
    for name in ("ncct", "seg"):
        shutil.copytree(phantom / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def phantom_run(study: Path, tmp_path_factory: pytest.TempPathFactory) -> AppRun:
    """The app, as it is shipped, on the study."""
    return run_app(study, tmp_path_factory.mktemp("out"))


@pytest.fixture(scope="session")
def quick_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For tests that run the app many times and do not ask how good its networks are."""
    return write_quick_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def quick_run(study: Path, quick_models: Path, tmp_path_factory: pytest.TempPathFactory) -> AppRun:
    """The app on the study with the quick models."""
    return run_app(study, tmp_path_factory.mktemp("quick"), models=quick_models)
