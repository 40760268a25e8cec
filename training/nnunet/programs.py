"""nnU-Net's programs, in the environment that ``make nnunet-env`` makes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from training.recipe import RecipeError

ENVIRONMENT = Path(__file__).parents[2] / ".venv-nnunet"
VARIABLE = "PULMOMAP_NNUNET_ENV"
TRAIN = str(Path(__file__).with_name("trainer.py"))
"""`nnUNetv2_train` with our trainer, for the Python there."""


class Nnunet:
    """nnU-Net with its three folders inside one folder of ours.

    Args:
        folder: of the run.
        settings: environment variables for the programs.

    Raises:
        RecipeError: nnU-Net is not installed.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.programs = environment() / "bin"
        if not (self.programs / "nnUNetv2_train").is_file():
            raise RecipeError(
                f"nnU-Net is not installed in {self.programs.parent}; run `make nnunet-env`, or set {VARIABLE} to an "
                "environment that has nnunetv2"
            )
        self.raw, self.preprocessed, self.results = (folder / name for name in ("raw", "preprocessed", "results"))
        for path in (self.raw, self.preprocessed, self.results):
            path.mkdir(parents=True, exist_ok=True)
        self.variables = {
            **os.environ,
            "nnUNet_raw": str(self.raw.resolve()),
            "nnUNet_preprocessed": str(self.preprocessed.resolve()),
            "nnUNet_results": str(self.results.resolve()),
            **(settings or {}),
        }

    def run(self, program: str, *arguments: str, workers: int | None = None) -> None:
        """Run one program to its end; a signal to stop reaches it.

        Args:
            program: of the environment: nnU-Net's name for it, or "python".
            arguments: of the program.
            workers: processes that draw the training's crops; 0 draws them in the program itself.

        Raises:
            RecipeError: it failed; what it said is on the terminal.
        """
        command = [str(self.programs / program), *arguments]
        drawing = {} if workers is None else {"nnUNet_n_proc_DA": str(workers)}
        status = run_to_the_end(command, self.variables | drawing)
        if status:
            raise RecipeError(f"{program} of nnU-Net ended with {status}; see what it printed above")


def environment() -> Path:
    """Where nnU-Net is, or should be."""
    return Path(os.environ.get(VARIABLE) or ENVIRONMENT)


def run_to_the_end(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run a program and pass on what asks us to stop; returns its exit code."""
    process = subprocess.Popen(command, env=dict(variables))

    def pass_on(signum: int, frame: FrameType | None) -> None:
        process.send_signal(signum)

    before = {name: signal.signal(name, pass_on) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        return process.wait()
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
