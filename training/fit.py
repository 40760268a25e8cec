"""`python -m training fit`: trains one recipe within a time budget, and goes on where it was stopped."""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

import torch
from lightning_fabric import Fabric

from training.batches import needs
from training.cases import Cases
from training.checkpoint import CHECKPOINT, clear_partials, commit, load_checkpoint, save_checkpoint
from training.display import Display
from training.drawing import Drawing, spare_cores
from training.logs import Record, open_logs
from training.loops.choice import loop_of
from training.nnunet.preset import is_nnunet
from training.prepare import check_side
from training.processes import make_fabric, refuse_uneven
from training.recipe import Preset, RecipeError, load_preset, read_recipe
from training.start import origin
from training.store import split_digest
from training.stream import batches_ahead, workers_for
from training.validate import picture, validate

PRESET = "preset.json"


class Run:
    """One training run: everything that must survive a kill lies in its folder.

    Args:
        preset: what to train.
        data: the store.
        folder: of the run.
        budget: seconds of training in all, over every resume; None trains to ``preset.steps``.
        resume: go on from the checkpoint in the folder.
        save_every: seconds between checkpoints, the most a kill can cost.
        weights: folder of another run, or of a bundle, whose weights this one starts from; of a pretraining, the
            encoder.
        fabric: device and precision; by default the accelerator at hand, in the preset's precision.
        cases: of the store, where they are known already.
        waited: seconds of the budget that are over.
        workers: processes that cut crops ahead of the network; by default many beside a GPU and none beside a CPU.
    """

    def __init__(
        self,
        preset: Preset,
        data: Path,
        folder: Path,
        *,
        budget: float | None = None,
        resume: bool = False,
        save_every: float = 60.0,
        weights: Path | None = None,
        fabric: Fabric | None = None,
        cases: Cases | None = None,
        waited: float = 0.0,
        workers: int | None = None,
    ) -> None:
        if not resume and (folder / CHECKPOINT).exists():
            raise RecipeError(f"{folder} holds a run already; add --resume, or choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        self.preset, self.folder, self.budget, self.save_every = preset, folder, budget, save_every
        self.cases = cases or Cases(data, needs(preset))
        self.fabric = fabric or make_fabric(preset.precision)
        refuse_uneven(preset, self.fabric)
        self.writes = self.fabric.is_global_zero  # one process writes, however many train
        self.loop = loop_of(preset)(self.fabric, preset)
        self.step, self.spent, self.commit = 0, 0.0, commit()
        self.started_from = "random weights"
        if weights is not None:
            average, described = origin(weights)
            self.started_from = self.loop.start_from(average) + described
        if resume:
            self._load(load_checkpoint(folder))
        self.spent += waited
        self.workers = workers_for(self.fabric.device) if workers is None else workers
        self.records: list[Record] = []
        if self.writes:
            clear_partials(folder)
            (folder / PRESET).write_text(preset.model_dump_json(indent=1) + "\n", encoding="utf-8")
            self.records = [*open_logs(folder, preset, self.step), Display(self)]
        self._look_for_cases()

    @property
    def progress(self) -> float:
        """Part of the run that is over: by steps or by time, whichever is further."""
        by_steps = self.step / self.preset.steps
        return by_steps if self.budget is None else max(by_steps, self.spent / self.budget)

    def train(self) -> dict[str, float]:
        """Train to the end of the budget; returns the last validation's figures."""
        try:
            self._train()
            self.save()
            return self.check()
        finally:
            for record in self.records:
                record.close()

    def _train(self) -> None:
        place = self.fabric.global_rank, self.fabric.world_size
        stream = batches_ahead(lambda: self.cases.train, self.preset, self.step, *place, workers=self.workers)
        saved = validated = self.spent
        before = time.monotonic()
        with closing(stream) as batches:
            while self.progress < 1 and not self._stopped:
                figures = self.loop.step(self.fabric.to_device(next(batches)), self.step, self.progress)
                self.step += 1
                now = time.monotonic()
                self._agree(self.spent + now - before)
                before = now
                for record in self.records:
                    record.losses(self.step, figures)
                if self.spent - saved >= self.save_every:
                    saved = self.spent
                    self.save()
                    self._look_for_cases()
                if self.spent - validated >= self.preset.validate_every:
                    validated = self.spent
                    self.check()

    _asked_to_stop = _stopped = False

    def stop(self, signum: int, frame: FrameType | None) -> None:
        """Signal handler: finish the step, write the checkpoint, leave."""
        self._asked_to_stop = True

    def _agree(self, spent: float) -> None:
        """All processes go by the slowest one's clock, and stop together."""
        told = torch.tensor([spent, float(self._asked_to_stop)], dtype=torch.float64)
        if self.fabric.world_size > 1:
            told = self.fabric.all_reduce(told, reduce_op="max")  # type: ignore[assignment]  # a tensor for a tensor
        self.spent, self._stopped = told[0].item(), bool(told[1])

    def _look_for_cases(self) -> None:
        """Take in what a growing store has gained; the first process looks first and decides for all."""
        if self.writes:
            self.cases.refresh()
        names = self.fabric.broadcast(self.cases.names)
        if not self.writes:
            self.cases.refresh()
            self.cases.keep(names)

    def check(self) -> dict[str, float]:
        """Validate the averaged weights and draw one crop."""
        return self.fabric.broadcast(self._check() if self.writes else {})

    def _check(self) -> dict[str, float]:
        figures = validate(self.loop.predict, self.cases.validation, self.preset)
        sample = self.folder / "pictures" / f"step-{self.step:06d}.png"
        picture(self.loop.predict, self.cases.validation[0], self.preset, sample)
        for record in self.records:
            record.validation(self.step, figures | {"seconds": self.spent}, sample)
        return figures

    def save(self) -> None:
        """Write the checkpoint."""
        if not self.writes:
            return
        state = self.loop.state() | {
            "step": self.step,
            "spent": self.spent,
            "cases": self.cases.names,
            "split": split_digest(self.cases.names),
            "drawn_by": self.cases.drawn_by,
            "commit": self.commit,
            "started_from": self.started_from,
        }
        save_checkpoint(self.folder, state)

    def _load(self, state: dict[str, object]) -> None:
        self.loop.load(state)
        self.step, self.spent = int(str(state["step"])), float(str(state["spent"]))
        self.started_from = str(state["started_from"])


def run(args: argparse.Namespace) -> int:
    """The `fit` command."""
    if is_nnunet(read_recipe(args.recipe, args.preset)):
        from training.nnunet.fit import run as run_nnunet

        return run_nnunet(args)
    if args.threads:
        torch.set_num_threads(args.threads)
    preset = load_preset(args.recipe, args.preset)
    resume = args.resume and (args.out / CHECKPOINT).exists()
    make = partial(
        Run,
        preset,
        args.data,
        args.out,
        budget=args.time_budget,
        resume=resume,
        save_every=args.save_every,
        weights=args.weights,
        workers=args.workers,
    )
    if args.draw is None:
        return finish(make())
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise RecipeError("--draw goes with one process; under torchrun, run `prepare phantoms` beside it")
    check_side(args.draw, held_out=False)
    begin = time.monotonic()
    with Drawing(args.draw, args.data, args.spacing, args.processes or spare_cores()) as drawing:
        cases = drawing.wait(lambda: Cases(args.data, needs(preset)))
        return finish(make(cases=cases, waited=time.monotonic() - begin))


def finish(job: Run) -> int:
    """Train to the end, or to a signal."""
    with stoppable(job):
        job.train()
    return 0


@contextmanager
def stoppable(job: Run) -> Iterator[None]:
    """While it lasts, a signal to end lets the run finish its step and write its checkpoint."""
    before = {name: signal.signal(name, job.stop) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
