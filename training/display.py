"""What a person sees of a run: a progress bar on a terminal, a line now and then in a log file."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

EVERY = 10.0  # seconds between lines where there is no terminal
PERIOD = 600.0  # seconds of the past that the time left is worked out from
Figures = dict[str, float]


class Watched(Protocol):
    """The part of a run that is shown."""

    spent: float

    @property
    def progress(self) -> float: ...


class Display:
    """Shows a run.

    Args:
        run: whose progress and time are shown.
        console: where; by default the standard output.
    """

    def __init__(self, run: Watched, console: Console | None = None) -> None:
        self.run, self.console = run, console or Console(soft_wrap=True)
        self.said = run.spent
        self.bar: Progress | None = None
        if self.console.is_terminal:
            left = TimeRemainingColumn(elapsed_when_finished=True)
            columns = (BarColumn(), TaskProgressColumn(), left, TextColumn("left  {task.description}"))
            self.bar = Progress(*columns, console=self.console, speed_estimate_period=PERIOD)
            self.task = self.bar.add_task("starting", total=1.0, completed=run.progress)  # type: ignore[arg-type]
            self.bar.start()

    def losses(self, step: int, figures: Figures) -> None:
        text = f"step {step}  " + "  ".join(f"{key} {value:.4f}" for key, value in figures.items())
        if self.bar is not None:
            self.bar.update(self.task, completed=min(self.run.progress, 1.0), description=text)
        elif self.run.spent - self.said >= EVERY:
            self.said = self.run.spent
            self.console.print(f"{text}  {self._minutes_left():.1f} min left", markup=False, highlight=False)

    def validation(self, step: int, figures: Figures, sample: Path) -> None:
        text = "  ".join(f"{key} {value:.3f}" for key, value in figures.items())
        self.console.print(f"step {step}: {text}", markup=False, highlight=False)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.stop()

    def _minutes_left(self) -> float:
        progress = self.run.progress
        return self.run.spent * (1.0 / progress - 1.0) / 60 if progress else float("nan")
