"""The batches of the steps to come, cut by processes of their own ahead of the network.

On a GPU a step is over before one core has cut the crops of the next. A batch is a function of the cases, the preset
and the step alone, so who cuts it and when changes nothing.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from itertools import count

import torch
from torch.utils.data import DataLoader, Dataset

from training.batches import training_batch
from training.data import Batch
from training.drawing import spare_cores
from training.recipe import Preset
from training.store import Case

MOST = 12  # processes: more than any network here keeps waiting for
Asked = tuple[int, tuple[Case, ...]]


def workers_for(device: torch.device) -> int:
    """How many processes cut crops where nobody chose: none on a CPU, where they would take the network's cores."""
    return 0 if device.type == "cpu" else min(spare_cores(), MOST)


def batches_ahead(
    cases: Callable[[], list[Case]], preset: Preset, first: int, rank: int = 0, world: int = 1, *, workers: int = 0
) -> Iterator[Batch]:
    """One process's share of the batches from step ``first`` on, without end.

    Args:
        cases: gives the cases to draw from; asked when a batch is ordered, up to two steps a worker before its use.
        preset: size and seed of the batches.
        first: step.
        rank, world: as in :func:`training.batches.training_batch`.
        workers: processes that cut; 0 cuts here, when a batch is asked for.
    """
    orders = ((step, tuple(cases())) for step in count(first))
    loader: DataLoader[Batch] = DataLoader(
        _Batches(preset, rank, world),
        batch_size=None,
        sampler=_Orders(orders),
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
        worker_init_fn=_leave_interrupts_to_the_run if workers else None,
        generator=torch.Generator(),  # not torch's own: the loader takes a number from it
    )
    return iter(loader)


class _Orders:
    """A sampler: an order a step, written when it is due."""

    def __init__(self, orders: Iterator[Asked]) -> None:
        self._orders = orders

    def __iter__(self) -> Iterator[Asked]:
        return self._orders


class _Batches(Dataset[Batch]):
    def __init__(self, preset: Preset, rank: int, world: int) -> None:
        self._preset, self._rank, self._world = preset, rank, world

    def __getitem__(self, asked: Asked) -> Batch:
        step, cases = asked
        return training_batch(list(cases), self._preset, step, self._rank, self._world)


def _leave_interrupts_to_the_run(worker: int) -> None:
    """Ctrl-C reaches every process of a terminal; the run finishes its step and ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
