"""Where the figures of a run go: its journal and TensorBoard always, MLflow where the site has set it up."""

from __future__ import annotations

import importlib
import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from training.recipe import Preset

JOURNAL = "journal.jsonl"
TENSORBOARD = "tensorboard"
MLFLOW_RUN = "mlflow-run.txt"
Figures = dict[str, float]


class Record(Protocol):
    """Something that keeps or shows the figures of a run."""

    def losses(self, step: int, figures: Figures) -> None:
        """Take the losses of one step."""

    def validation(self, step: int, figures: Figures, sample: Path) -> None:
        """Take the figures of a validation and the PNG it drew."""

    def close(self) -> None:
        """The run is over."""


def open_logs(run: Path, preset: Preset, since: int) -> list[Record]:
    """Open every log that applies.

    Args:
        run: the run's folder.
        preset: what is trained.
        since: a resumed run's step; what was logged later belongs to work that was lost and is done again.
    """
    logs: list[Record] = [Journal(run, since), TensorBoard(run, since)]
    if os.environ.get("MLFLOW_TRACKING_URI"):
        if find_spec("mlflow") is None:
            print("MLFLOW_TRACKING_URI is set but mlflow is not installed: nothing is sent to it", flush=True)
        else:
            logs.append(Mlflow(run, preset))
    return logs


class Journal:
    """One JSON object a line: the losses and the validations of a run, by step. Arguments as :func:`open_logs`."""

    def __init__(self, run: Path, since: int) -> None:
        self.path = run / JOURNAL
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []
        kept = [line for line in lines if _is_whole(line) and json.loads(line)["step"] <= since]
        self.path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def losses(self, step: int, figures: Figures) -> None:
        rounded = {key: round(value, 5) for key, value in figures.items()}
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, **rounded}) + "\n")

    def validation(self, step: int, figures: Figures, sample: Path) -> None:
        self.losses(step, figures)

    def close(self) -> None:
        """Every line is on disk already."""


def _is_whole(line: str) -> bool:
    """A kill can cut the last line short."""
    return line.endswith("}")


class TensorBoard:
    """Curves and pictures for ``tensorboard --logdir``. Arguments as :func:`open_logs`."""

    def __init__(self, run: Path, since: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        make: Any = SummaryWriter
        self.writer: Any = make(run / TENSORBOARD, purge_step=since + 1 if since else None)

    def losses(self, step: int, figures: Figures) -> None:
        for key, value in figures.items():
            self.writer.add_scalar(f"training/{key}", value, step)

    def validation(self, step: int, figures: Figures, sample: Path) -> None:
        for key, value in figures.items():
            self.writer.add_scalar(f"validation/{key}", value, step)
        with Image.open(sample) as image:
            self.writer.add_image("sample", np.asarray(image), step, dataformats="HWC")
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()


class Mlflow:
    """The site's own tracking server; a resumed training goes on in the same MLflow run."""

    def __init__(self, run: Path, preset: Preset) -> None:
        self.mlflow: Any = importlib.import_module("mlflow")
        known = run / MLFLOW_RUN
        before = known.read_text(encoding="utf-8").strip() if known.is_file() else None
        self.mlflow.set_experiment("pulmomap")
        active = self.mlflow.start_run(run_id=before, run_name=f"{preset.name} {run.name}")
        known.write_text(f"{active.info.run_id}\n", encoding="utf-8")
        if before is None:
            self.mlflow.log_dict(preset.model_dump(mode="json"), "preset.json")

    def losses(self, step: int, figures: Figures) -> None:
        self.mlflow.log_metrics(figures, step=step, synchronous=False)  # a step must not wait for the network

    def validation(self, step: int, figures: Figures, sample: Path) -> None:
        named = {f"validation_{key}": value for key, value in figures.items()}
        self.mlflow.log_metrics(named, step=step, synchronous=False)
        self.mlflow.log_artifact(str(sample), "pictures")

    def close(self) -> None:
        self.mlflow.end_run()
