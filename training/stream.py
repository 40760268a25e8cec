"""The batches of the steps to come, cut by processes of their own ahead of the network.

On a GPU a step is over before one core has cut the crops of the next. A batch is a function of the cases, the preset
and the step alone, so who cuts it and when changes nothing.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import count
from typing import Any

import torch
from numpy.typing import NDArray

from training.batches import training_batch
from training.children import end_with_parent
from training.data import Batch
from training.drawing import spare_cores
from training.recipe import Preset
from training.store import Case

MOST = 12  # processes: more than any network here keeps waiting for
AHEAD = 2  # batches ordered per process
Arrays = dict[str, NDArray[Any]]


def workers_for(device: torch.device) -> int:
    """How many processes cut crops where nobody chose: none on a CPU, where they would take the network's cores."""
    return 0 if device.type == "cpu" else min(spare_cores(), MOST)


def batches_ahead(
    cases: Callable[[], list[Case]], preset: Preset, first: int, rank: int = 0, world: int = 1, *, workers: int = 0
) -> Generator[Batch, None, None]:
    """One process's share of the batches from step ``first`` on, without end; closing it ends the processes.

    Args:
        cases: gives the cases to draw from; asked when a batch is ordered, up to two steps a worker before its use.
        preset: size and seed of the batches.
        first: step.
        rank, world: as in :func:`training.batches.training_batch`.
        workers: processes that cut; 0 cuts here, when a batch is asked for.
    """
    if not workers:
        for step in count(first):
            yield training_batch(cases(), preset, step, rank, world)
    # Not torch's DataLoader: its workers abort now and then while they end, and its signal handler raises that, or
    # crashes, wherever the run happens to be.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin)
    ordered: deque[Future[Arrays]] = deque()
    try:
        for step in count(first):
            ordered.append(pool.submit(_cut, list(cases()), preset, step, rank, world))
            if len(ordered) >= AHEAD * workers:
                yield {key: torch.from_numpy(array) for key, array in ordered.popleft().result().items()}
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches a terminal's every process; the run ends its own
    torch.set_num_threads(1)


def _cut(cases: list[Case], preset: Preset, step: int, rank: int, world: int) -> Arrays:
    """As arrays: torch would hand its tensors over in shared memory, of which a container has little."""
    return {key: tensor.numpy() for key, tensor in training_batch(cases, preset, step, rank, world).items()}
