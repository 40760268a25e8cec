"""`prepare synthesise`: gives every case the Syn-CECT that the segmenter will meet in use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.checkpoint import load_checkpoint
from training.data import HU_UNIT, to_network
from training.export import averaged_weights
from training.fit import PRESET
from training.recipe import Preset, build
from training.store import add_array, case_folders, read_case

SHARES = (0.25, 0.5, 0.25)  # of the stacks whose upper, middle and lower slice a slice is (SYSTEMS 2.7)


def add_synthesis(store: Path, run: Path) -> None:
    """Write ``syn.npy`` into every case of a store, by the averaged weights of a synthesis run."""
    preset = Preset.model_validate_json((run / PRESET).read_text(encoding="utf-8"))
    network = build(preset.network)
    network.load_state_dict(averaged_weights(load_checkpoint(run)["average"]))
    for folder in case_folders(store):
        case = read_case(folder)
        add_array(case, "syn", synthetic_volume(network.eval(), case.array("ncct")))
        print(f"{case.name} has its Syn-CECT", flush=True)


@torch.inference_mode()
def synthetic_volume(
    network: nn.Module, hu: NDArray[np.int16], *, batch: int = 8, multiple: int = 32
) -> NDArray[np.int16]:
    """Assemble a volume from overlapping stacks of three slices.

    Args:
        network: enhancement of a stack, network units.
        hu: (slices, rows, columns).
        batch: stacks at a time.
        multiple: rows and columns are padded to a multiple of this.
    """
    slices, rows, columns = hu.shape
    pads = [(0, -size % multiple) for size in (rows, columns)]
    image = to_network(np.pad(hu, [(1, 1), *pads], mode="edge").astype(np.float32))
    total, weight = torch.zeros_like(image), torch.zeros(slices + 2, 1, 1)
    for first in range(0, slices, batch):
        stacks = torch.stack([image[z : z + 3] for z in range(first, min(first + batch, slices))])
        enhanced: Tensor = stacks + network(stacks)
        for z, stack in enumerate(enhanced, start=first):
            for place, share in enumerate(SHARES):
                total[z + place] += share * stack[place]
                weight[z + place] += share
    volume = (total / weight)[1:-1, :rows, :columns] * HU_UNIT
    return volume.round().clamp(-1024, 3071).to(torch.int16).numpy()
