"""Crops cut ahead by processes of their own are the crops that the run would have cut itself."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path

import torch

from training.batches import training_batch
from training.fit import Run
from training.recipe import load_preset
from training.store import Case
from training.stream import MOST, batches_ahead, workers_for

PRESET = load_preset("vessel_segmentation", "smoke")


def test_processes_cut_the_same_batches_in_the_same_order(make_case: Callable[[str, int], Case]) -> None:
    cases = [make_case(name, seed) for seed, name in enumerate("ab")]
    for workers in (0, 2):
        with closing(batches_ahead(lambda: cases, PRESET, 3, workers=workers)) as stream:
            for step, batch in zip(range(3, 9), stream, strict=False):
                expected = training_batch(cases, PRESET, step)
                assert all(torch.equal(batch[key], expected[key]) for key in expected), (workers, step)
    assert not multiprocessing.active_children(), "closing the stream ends the processes"


def test_a_case_that_comes_later_is_drawn_from(make_case: Callable[[str, int], Case]) -> None:
    cases = [make_case("a", 1)]
    stream = batches_ahead(lambda: cases, PRESET, 0)
    next(stream)
    cases.append(make_case("b", 2))
    later = list(islice(stream, 8))
    both, alone = ([training_batch(cases[:n], PRESET, step) for step in range(1, 9)] for n in (2, 1))
    assert all(torch.equal(one["x"], two["x"]) for one, two in zip(later, both, strict=True))
    assert not all(torch.equal(one["x"], two["x"]) for one, two in zip(later, alone, strict=True))


def test_a_run_is_the_same_however_its_crops_are_cut(tmp_path: Path, store: Path) -> None:
    before = torch.get_rng_state()
    runs = [Run(PRESET, store, tmp_path / str(workers), workers=workers) for workers in (0, 1)]
    for run in runs:
        run.train()
    one, two = (run.loop.network.module.state_dict() for run in runs)
    assert all(torch.equal(one[name], two[name]) for name in one)
    torch.set_rng_state(before)
    next(batches_ahead(lambda: runs[0].cases.train, PRESET, 0))
    assert torch.equal(torch.get_rng_state(), before), "the stream takes nothing from torch's random numbers"


def test_a_cpu_keeps_its_cores_for_the_network() -> None:
    assert workers_for(torch.device("cpu")) == 0
    assert 1 <= workers_for(torch.device("cuda")) <= MOST
