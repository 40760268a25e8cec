"""Small random networks and small scans for the tests of inference."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from highdicom import Volume
from torch import nn

from pulmomap.case import Ncct, SelectedSeries
from pulmomap.networks.attention_unet import AttentionUnet
from pulmomap.networks.vessel_unet import VesselUnet

FRAME = "1.2.826.0.1.3680043.10.1.1"
SERIES = SelectedSeries("0" * 16, "1.2.3", "1.2.3.4", FRAME, ())
PREPROCESSING = {"orientation": "HPL", "spacing_mm": [1.0, 1.0, 1.0], "clip_hu": [-1000, 1000], "scale_hu": 1000}
KINDS: dict[str, dict[str, Any]] = {
    "synthesis": {
        "network": {"_target_": "pulmomap.networks.attention_unet.AttentionUnet", "channels": [8, 12, 16]},
        "inference": {"lung_margin_mm": 4.0, "assembly": "averaged"},
        "class": AttentionUnet,
    },
    "segmentation": {
        "network": {"_target_": "pulmomap.networks.vessel_unet.VesselUnet", "channels": [8, 12, 16]},
        "inference": {"lung_margin_mm": 4.0, "window": [32, 32, 32], "overlap": 0.25},
        "class": VesselUnet,
    },
}
WriteBundle = Callable[..., Path]


def random_network(task: str) -> nn.Module:
    """A network that answers in the size a trained one would: up to a few hundred HU, or decided logits."""
    torch.manual_seed(3)
    kind = KINDS[task]
    network: nn.Module = kind["class"](channels=kind["network"]["channels"])
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return network


def write_random_bundle(models: Path, task: str, **sections: Any) -> Path:
    """Write the bundle of a task into ``models``; keyword arguments replace sections of inference.json."""
    kind = KINDS[task]
    folder = models / task
    for name in ("configs", "models"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    metadata = {
        "schema": "https://example.org/meta.json",
        "name": f"tiny_{task}",
        "version": "0.1.2",
        "task": task,
        "description": "a test",
        "data": {"summary": "Nothing at all.", "seeds": "1-3"},
    }
    config = {"network_def": kind["network"], "preprocessing": PREPROCESSING, "inference": kind["inference"]}
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (folder / "configs" / "inference.json").write_text(json.dumps(config | sections))
    safetensors.torch.save_file(random_network(task).state_dict(), folder / "models" / "model.safetensors")
    return folder


def make_scan(hu: Any, affine: Any, lung: tuple[slice, slice, slice]) -> Ncct:
    """A scan with a box of lung in it.

    Args:
        hu: (slice, row, column).
        affine: index -> LPS mm.
        lung: the part of the array that is lung.
    """
    volume = Volume(np.asarray(hu, np.float32), np.asarray(affine, float), "PATIENT", FRAME)
    mask = np.zeros(volume.spatial_shape, np.uint8)
    mask[lung] = 1
    return Ncct(SERIES, volume, volume.with_array(mask))


def affine_of(spacing: tuple[float, float, float], origin: tuple[float, float, float] = (-20.0, -30.0, 40.0)) -> Any:
    """Canonical orientation: slices to the head, rows to the back, columns to the left."""
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2] = spacing
    affine[:, 3] = (*origin, 1)
    return affine
