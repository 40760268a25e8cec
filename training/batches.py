"""Which crops a step and a validation see; all of it decided by the preset, its seed and the step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from training.data import Batch, segmentation_crop, synthesis_crop
from training.masked_data import masked_crop
from training.recipe import Preset, Task
from training.store import Case
from training.thick import thick_crop

CROPS: dict[Task, Callable[..., Batch]] = {
    "synthesis": synthesis_crop,
    "segmentation": segmentation_crop,
    "super_resolution": thick_crop,
    "reconstruction": masked_crop,
}
NEEDS: dict[Task, tuple[str, ...]] = {
    "synthesis": ("ncct", "cect", "enhanced"),
    "segmentation": ("ncct", "cect", "vessels", "aims"),
    "super_resolution": ("ncct", "aims"),
    "reconstruction": ("ncct",),
}


def needs(preset: Preset) -> tuple[str, ...]:
    """The arrays that a case must have for a run."""
    return NEEDS[preset.task] + (("levels",) if preset.cascade is not None else ())


def training_batch(cases: list[Case], preset: Preset, step: int, rank: int = 0, world: int = 1) -> Batch:
    """One process's share of the batch of one step.

    The whole batch is a function of the cases, the preset's seed and the step, and nothing else: crop ``i`` is the same
    one whichever of the ``world`` processes draws it.

    Args:
        cases: to draw from.
        preset: size and seed of the batch.
        step: counted from 0.
        rank: of this process.
        world: number of processes.
    """
    crop = CROPS[preset.task]
    crops = []
    for index in range(rank, preset.batch, world):
        rng = np.random.default_rng([preset.seed, step, index])
        crops.append(crop(cases[rng.integers(len(cases))], preset, rng))
    return {key: torch.stack([one[key] for one in crops]) for key in crops[0]}


def validation_crops(case: Case, preset: Preset) -> list[Batch]:
    """The same few crops of a case at every validation, as the scanner made them."""
    crop = CROPS[preset.task]
    rng = np.random.default_rng([preset.seed, 0x5EED])
    return [crop(case, preset, rng, augment=False) for _ in range(preset.validation_crops)]
