"""One process on a CPU or a GPU, or as many as ``torchrun`` starts, on one node or several: the same run."""

from __future__ import annotations

import atexit
import os
from typing import Any

import torch
import torch.distributed
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from training.recipe import Precision, Preset, RecipeError


def make_fabric(precision: Precision) -> Fabric:
    """Device, precision and, under ``torchrun``, this process's place among the others.

    Args:
        precision: of the preset.
    """
    world, here = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    settings: dict[str, Any] = {"devices": 1}
    if world > 1:
        # Every process computes the same buffers (spectral norm's vectors) from the same weights, and sharing them
        # between the discriminator's two looks of one step would overwrite what its gradient needs.
        strategy = DDPStrategy(forward_sync_buffers=False)
        settings = {"devices": here, "num_nodes": world // here, "strategy": strategy}
    fabric = Fabric(accelerator="cuda" if torch.cuda.is_available() else "cpu", precision=precision, **settings)
    fabric.launch()
    if world > 1:
        atexit.register(_leave_the_others)
    return fabric


def _leave_the_others() -> None:
    """End the group's threads: still running when the interpreter goes, they abort the process now and then.

    Fabric itself does so for NCCL alone.
    """
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def refuse_uneven(preset: Preset, fabric: Fabric) -> None:
    """The preset's batch is that of all processes together; raises RecipeError unless it can be split evenly."""
    if preset.batch % fabric.world_size:
        raise RecipeError(
            f"a batch of {preset.batch} cannot be split evenly over {fabric.world_size} processes; start fewer, or "
            f"write a recipe that extends {preset.name} with another batch"
        )
