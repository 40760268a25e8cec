from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from training.fit import Run
from training.recipe import load_preset
from training.store import case_folders, read_case
from training.synthesise import add_synthesis, synthetic_volume


class Constant(torch.nn.Module):
    """Enhances slice k of every stack by (k + 1) * 100 HU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tensor([0.1, 0.2, 0.3])[:, None, None].expand_as(x)


class Nothing(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x)


@pytest.mark.parametrize("shape", [(1, 5, 7), (2, 32, 32), (9, 33, 40)])
def test_no_enhancement_gives_the_volume_back(shape: tuple[int, int, int]) -> None:
    hu = np.random.default_rng(0).integers(-1000, 1000, shape).astype(np.int16)
    assert np.array_equal(synthetic_volume(Nothing(), hu, batch=4), hu)


def test_stacks_are_weighted_a_quarter_a_half_a_quarter() -> None:
    syn = synthetic_volume(Constant(), np.zeros((5, 8, 8), np.int16))
    inner = 0.25 * 100 + 0.5 * 200 + 0.25 * 300
    first = (0.5 * 200 + 0.25 * 100) / 0.75  # no stack has the first slice as its last
    last = (0.5 * 200 + 0.25 * 300) / 0.75
    assert syn[:, 0, 0].tolist() == [round(first), inner, inner, inner, round(last)]


def test_every_case_gets_its_synthesis(tmp_path: Path, store: Path) -> None:
    Run(load_preset("contrast_synthesis", "smoke"), store, tmp_path / "run").train()
    add_synthesis(store, tmp_path / "run")
    for folder in case_folders(store):
        case = read_case(folder)
        assert case.array("syn").shape == case.shape
        assert case.array("syn").dtype == np.int16
