"""Runs the product as a user does: programs of their own, folders on disk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "models"
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


def app_command(study: Path, out: Path, models: Path = MODELS) -> list[str]:
    """What a user types."""
    return [sys.executable, "-m", "app", "-i", str(study), "-o", str(out), "-m", str(models)]


def run_app(study: Path, out: Path, *options: str, models: Path = MODELS, **environment: str) -> AppRun:
    """Run the app as a user does: a process of its own."""
    command = [*app_command(study, out, models), *options]
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


def write_quick_models(folder: Path, spacing: float = 2.0) -> Path:
    """The shipped models on coarser grids: an eighth of the work, for tests in which any map of vessels will do."""
    for name in ("contrast_synthesis", "vessel_segmentation"):
        shutil.copytree(MODELS / name, folder / name)
        path = folder / name / "configs" / "inference.json"
        content = json.loads(path.read_text())
        content["preprocessing"]["spacing_mm"] = [spacing] * 3
        path.write_text(json.dumps(content))
    return folder


def draw_phantom(out: Path, *options: str) -> Path:
    """Draw a phantom patient by the product's own command."""
    command = [sys.executable, "-m", "training", "phantom", "--seed", str(PHANTOM_SEED), "--out", str(out)]
    command += ["--no-breathing", *options]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=600)
    return out
