"""Phantoms that are drawn while a network trains: `fit --draw SEEDS --processes N`. Each joins it when it is whole."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from training.cases import TooFewCases
from training.children import end_with_parent
from training.prepare import draw_case, phantom_name
from training.store import split_of

Ready = TypeVar("Ready")
PAUSE = 0.2  # seconds between looks at the store


class Drawing:
    """Processes that fill a store in the background; leaving the context ends them, drawn or not.

    Args:
        seeds: of the phantoms; those that are in the store already are left.
        store: is made if missing.
        spacing: mm.
        processes: phantoms drawn at a time.
    """

    def __init__(self, seeds: Iterable[int], store: Path, spacing: float, processes: int) -> None:
        store.mkdir(parents=True, exist_ok=True)
        self.store = store
        ordered = first_of_each_side(seeds)
        context = multiprocessing.get_context("spawn")
        self._processes = [
            context.Process(target=_draw, args=(ordered[number::processes], store, spacing), daemon=True)
            for number in range(min(processes, len(ordered)))
        ]

    def __enter__(self) -> Drawing:
        for process in self._processes:
            process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()
            for partial in self.store.glob(f".*.{process.pid}.partial"):
                shutil.rmtree(partial, ignore_errors=True)

    @property
    def at_work(self) -> bool:
        return any(process.is_alive() for process in self._processes)

    def wait(self, ready: Callable[[], Ready]) -> Ready:
        """Try until it succeeds, while phantoms are being drawn.

        Args:
            ready: what to try.

        Raises:
            TooFewCases: it still says so when nothing more is being drawn.
        """
        while True:
            more = self.at_work
            try:
                return ready()
            except TooFewCases:
                if not more:
                    raise
            time.sleep(PAUSE)


def spare_cores() -> int:
    """All cores but one."""
    return max(1, len(os.sched_getaffinity(0)) - 1)


def first_of_each_side(seeds: Iterable[int]) -> list[int]:
    """The seeds in their order, but the first one that is validated on comes first: a run needs one of either side."""
    ordered = list(seeds)
    first = next((seed for seed in ordered if split_of(phantom_name(seed)) == "validation"), None)
    return ordered if first is None else [first, *(seed for seed in ordered if seed != first)]


def _draw(seeds: Sequence[int], store: Path, spacing: float) -> None:
    """What one process does."""
    end_with_parent()
    for seed in seeds:
        _draw_one(seed, store, spacing)


def _draw_one(seed: int, store: Path, spacing: float) -> None:
    try:
        print(draw_case(seed, store, spacing), flush=True)
    except Exception as error:  # one phantom less is no reason to stop a training
        print(f"phantom {seed} was not drawn: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
