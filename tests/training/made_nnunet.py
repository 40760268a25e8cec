"""A folder as nnU-Net leaves one, without nnU-Net: its names of the weights, every tensor several times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.nnunet_plan import plan
from pulmomap.networks.nnunet import NnUnet

PATCH, FEATURES = (16, 16, 16), (4, 6)


def nnunet_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our names -> nnU-Net's: each convolution and norm under two, the encoder under the decoder again."""
    found = {}
    for name, value in weights.items():
        theirs = name.replace("decoder.seg_layer.", f"decoder.seg_layers.{len(FEATURES) - 2}.")
        found[theirs] = value
        for number, part in enumerate(("conv", "norm")):
            if f".{part}." in theirs:
                found[theirs.replace(f".{part}.", f".all_modules.{number}.")] = value
    return found | {f"decoder.{name}": value for name, value in found.items() if name.startswith("encoder.")}


def write_model(folder: Path, network: NnUnet | None = None, **changes: Any) -> NnUnet:
    """Write plans, dataset and a checkpoint of a network (random by default); ``changes`` go into the plans."""
    content = plan(PATCH, FEATURES)
    if network is None:
        torch.manual_seed(5)
        network = NnUnet(
            features=FEATURES,
            kernels=[[3] * 3] * 2,
            strides=[[1] * 3, [2] * 3],
            blocks=[2, 2],
            decoder=[2],
            intensities=[(-620.5, 108.25, 12.5, 77.75), (-540.0, 512.5, 221.0, 133.5)],
        )
    state = {
        "network_weights": nnunet_names(network.state_dict()),
        "optimizer_state": {"lr": np.float64(0.01)},
        "init_args": {"configuration": content["configuration"]},
        "inference_allowed_mirroring_axes": None,
        "current_epoch": 3,
        "logging": {"epoch_start_timestamps": [0.0, 10.0], "epoch_end_timestamps": [10.0, 21.5]},
        "_best_ema": np.float64(0.5),
    }
    (folder / "fold_0").mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(content["plans"] | changes))
    (folder / "dataset.json").write_text(json.dumps(content["dataset"]))
    torch.save(state, folder / "fold_0" / "checkpoint_final.pth")
    return network.eval()
