"""Measuring cases in worker processes, each with its own networks; a case that kills its process is found out."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from training.children import end_with_parent
from training.evaluation.cases import Source
from training.evaluation.running import Done, Job, Measure, measure_case

KILLED = "its process died, perhaps for want of memory; try --jobs 1, or leave the case out"

_measure: Measure | None = None
"""The networks of this worker process."""


def measure_in_workers(sources: list[Source], job: Job, jobs: int) -> Iterator[Done]:
    """Measure cases, ``jobs`` at a time; yields each as it ends.

    Where a process dies, the pool dies with it: the cases that were in work are measured again, each alone, so that
    only the one to blame is lost, and a new pool takes the rest.
    """
    waiting = deque(sources)
    while waiting:
        suspects = yield from _until_a_death(waiting, job, jobs)
        for source in suspects:
            with _pool(job, 1) as pool:
                yield _answer(_submit(pool, source, job)) or Done(source.name, KILLED)


def _until_a_death(waiting: deque[Source], job: Job, jobs: int) -> Generator[Done, Any, list[Source]]:
    """Take from the queue until it is empty or a process has died; returns what was in work then."""
    in_work: dict[Future[Done], Source] = {}
    with _pool(job, min(jobs, len(waiting))) as pool:
        while waiting or in_work:
            while waiting and len(in_work) < jobs:
                source = waiting.popleft()
                in_work[_submit(pool, source, job)] = source
            finished, _ = wait(in_work, return_when=FIRST_COMPLETED)
            for future in finished:
                done = _answer(future)
                if done is None:
                    return list(in_work.values())
                del in_work[future]
                yield done
    return []


def _pool(job: Job, jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin, (job,))


def _submit(pool: ProcessPoolExecutor, source: Source, job: Job) -> Future[Done]:
    try:
        return pool.submit(_work, source, job)
    except BrokenProcessPool as error:  # a process died since the last answer
        future: Future[Done] = Future()
        future.set_exception(error)
        return future


def _answer(future: Future[Done]) -> Done | None:
    """None where the process died."""
    try:
        return future.result()
    except BrokenProcessPool:
        return None


def _begin(job: Job) -> None:
    global _measure
    end_with_parent()
    _measure = job.prepare()


def _work(source: Source, job: Job) -> Done:
    assert _measure is not None  # noqa: S101 - the pool has begun
    return measure_case(source, job, _measure)
