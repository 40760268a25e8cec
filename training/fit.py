"""`python -m training fit`: trains one recipe within a time budget, and goes on where it was stopped."""

from __future__ import annotations

import argparse
import signal
import subprocess
import time
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning_fabric import Fabric

from training.checkpoint import CHECKPOINT, Journal, load_checkpoint, save_checkpoint
from training.data import NEEDS, training_batch
from training.loops.adversarial import AdversarialLoop
from training.loops.supervised import SupervisedLoop
from training.recipe import Preset, RecipeError, load_preset
from training.store import HELD_OUT, META, Case, StoreError, case_folders, read_case, split_digest, split_of
from training.validate import picture, validate

LOOPS = {"synthesis": AdversarialLoop, "segmentation": SupervisedLoop}
PRESET = "preset.json"


class Cases:
    """The usable cases of a store that may still be growing. Every case is proved whole once.

    Args:
        root: the store.
        task: decides which arrays a case must have.
    """

    def __init__(self, root: Path, task: str) -> None:
        self.root, self.needs = root, NEEDS[task]
        self._known: dict[str, Case] = {}
        self._seen: dict[str, int] = {}
        self.refresh()
        for split in ("train", "validation"):
            if not getattr(self, split):
                raise StoreError(f"{root} has no {split} case with {', '.join(self.needs)}; prepare more cases")

    def refresh(self) -> None:
        """Take in cases that were finished or completed (by their Syn-CECT) since the last look."""
        for folder in case_folders(self.root):
            written = (folder / META).stat().st_mtime_ns
            if self._seen.get(folder.name) != written:
                self._seen[folder.name] = written
                case = read_case(folder)
                _refuse_held_out(case)
                if all(name in case for name in self.needs):
                    self._known[folder.name] = case
        ordered = [self._known[name] for name in sorted(self._known)]
        self.train = [case for case in ordered if split_of(case.name) == "train"]
        self.validation = [case for case in ordered if split_of(case.name) == "validation"]

    @property
    def names(self) -> list[str]:
        return sorted(self._known)

    @property
    def drawn_by(self) -> list[str]:
        """The versions of the phantom's source that drew the cases."""
        return sorted({str(case.meta.get("drawn_by", "unknown")) for case in self._known.values()})


def _refuse_held_out(case: Case) -> None:
    if int(case.meta.get("seed", 0)) >= HELD_OUT:
        raise StoreError(f"{case.folder} is reserved for evaluation; take it out of the training store")


class Run:
    """One training run: everything that must survive a kill lies in its folder.

    Args:
        preset: what to train.
        data: the store.
        folder: of the run.
        budget: seconds of training in all, over every resume; None trains to ``preset.steps``.
        resume: go on from the checkpoint in the folder.
        save_every: seconds between checkpoints, the most a kill can cost.
        weights: folder of another run whose averaged weights this one starts from.
        fabric: device and precision; by default the accelerator at hand, in the preset's precision.
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
    ) -> None:
        if not resume and (folder / CHECKPOINT).exists():
            raise RecipeError(f"{folder} holds a run already; add --resume, or choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        self.preset, self.folder, self.budget, self.save_every = preset, folder, budget, save_every
        self.cases = Cases(data, preset.task)
        self.fabric = fabric or Fabric(accelerator="auto", devices=1, precision=preset.precision)
        self.loop = LOOPS[preset.task](self.fabric, preset)
        self.step, self.spent, self.commit = 0, 0.0, commit()
        self.started_from = "random weights"
        if weights is not None:
            origin = load_checkpoint(weights)
            self.loop.start_from(origin["average"])
            self.started_from = describe(origin)
        if resume:
            self._load(load_checkpoint(folder))
        self.journal = Journal(folder, self.step)
        (folder / PRESET).write_text(preset.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @property
    def progress(self) -> float:
        """Part of the run that is over: by steps or by time, whichever is further."""
        by_steps = self.step / self.preset.steps
        return by_steps if self.budget is None else max(by_steps, self.spent / self.budget)

    def train(self) -> dict[str, float]:
        """Train to the end of the budget; returns the last validation's figures."""
        saved = validated = said = self.spent
        before = time.monotonic()
        while self.progress < 1 and not self._stopped:
            batch = training_batch(self.cases.train, self.preset, self.step, self.fabric.global_rank)
            figures = self.loop.step(self.fabric.to_device(batch), self.step, self.progress)
            self.step += 1
            now = time.monotonic()
            self.spent, before = self.spent + now - before, now
            self.journal.write(self.step, **figures)
            if self.spent - said >= 10:
                said = self.spent
                print(self._line(figures), flush=True)
            if self.spent - saved >= self.save_every:
                saved = self.spent
                self.save()
                self.cases.refresh()
            if self.spent - validated >= self.preset.validate_every:
                validated = self.spent
                self.check()
        self.save()
        return self.check()

    _stopped = False

    def stop(self, signum: int, frame: FrameType | None) -> None:
        """Signal handler: finish the step, write the checkpoint, leave."""
        self._stopped = True

    def check(self) -> dict[str, float]:
        """Validate the averaged weights and draw one crop."""
        figures = validate(self.loop.predict, self.cases.validation, self.preset)
        self.journal.write(self.step, seconds=self.spent, **figures)
        print(f"step {self.step}: " + "  ".join(f"{key} {value:.3f}" for key, value in figures.items()), flush=True)
        sample = self.folder / "pictures" / f"step-{self.step:06d}.png"
        picture(self.loop.predict, self.cases.validation[0], self.preset, sample)
        return figures

    def save(self) -> None:
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

    def _line(self, figures: dict[str, float]) -> str:
        left = (self.spent / self.progress - self.spent) / 60 if self.progress else float("nan")
        losses = "  ".join(f"{key} {value:.4f}" for key, value in figures.items())
        return f"step {self.step}  {losses}  cases {len(self.cases.train)}  {left:.1f} min left"


def describe(state: dict[str, Any]) -> str:
    """A run in a few words, for the model card of one that starts from its weights."""
    steps, seconds, origin = state["step"], round(state["spent"]), state["started_from"]
    return f"the weights of a run of {steps} steps, {seconds} s, split {state['split']}, which started from {origin}"


def commit() -> str:
    """The git commit of the training code, or 'unknown' outside a checkout."""
    here = Path(__file__).parent
    answer = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"


def run(args: argparse.Namespace) -> int:
    """The `fit` command."""
    if args.threads:
        torch.set_num_threads(args.threads)
    preset = load_preset(args.recipe, args.preset)
    resume = args.resume and (args.out / CHECKPOINT).exists()
    job = Run(preset, args.data, args.out, budget=args.time_budget, resume=resume, weights=args.weights)
    before = {name: signal.signal(name, job.stop) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        job.train()
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    return 0
