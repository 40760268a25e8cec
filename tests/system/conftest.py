"""One run of the app on a phantom study, shared by the system tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PHANTOM_SEED = 7


@dataclass(frozen=True)
class AppRun:
    """A finished run: what it was given, what it said, what it wrote."""

    study: Path
    out: Path
    code: int
    stderr: str

    @property
    def manifest(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.out / "manifest.json").read_text())
        return content

    @property
    def done(self) -> list[dict[str, Any]]:
        return [series for series in self.manifest["series"] if series["outcome"] == "done"]

    @property
    def results(self) -> Path:
        (series,) = self.done
        return self.out / str(series["key"])


def run_app(study: Path, out: Path, *options: str, **environment: str) -> AppRun:
    """Run the app as a user does: a process of its own."""
    command = [sys.executable, "-m", "app", "-i", str(study), "-o", str(out), "-m", "models", *options]
    process = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        env={**os.environ, **environment},
        check=False,
    )
    return AppRun(study, out, process.returncode, process.stderr)


def draw_phantom(out: Path, *options: str) -> Path:
    """Draw a phantom patient by the product's own command."""
    command = [sys.executable, "-m", "training", "phantom", "--seed", str(PHANTOM_SEED), "--out", str(out), *options]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=600)
    return out


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
