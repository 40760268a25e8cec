"""A network that nnU-Net trained: its plans, its checkpoint, and the same network of ours.

nnU-Net's checkpoints are pickles. Nothing in them is executed: PyTorch reads tensors and plain values only, and the few
NumPy scalars that nnU-Net logs.
"""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.nnunet.dataset import CLASSES
from training.recipe import RecipeError

CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_best.pth")
"""The first that is there counts, as in nnU-Net."""

NETWORKS = {
    "dynamic_network_architectures.architectures.unet.PlainConvUNet": "n_conv_per_stage",
    "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet": "n_blocks_per_stage",
}
"""The classes that we have, and what they call the length of a level."""

ASKED = {
    "conv_op": "torch.nn.modules.conv.Conv3d",
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "dropout_op": None,
    "nonlin": "torch.nn.LeakyReLU",
}
"""What the plan must say of the network for ours to be the same."""

NUMPY = [
    np._core.multiarray.scalar,  # type: ignore[attr-defined]  # where pickles of NumPy's scalars point
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "b1")),
]


@dataclass(frozen=True)
class Trained:
    """What nnU-Net left in a folder.

    Attributes:
        folder: with ``plans.json``, ``dataset.json`` and the folds.
        checkpoint: the file.
        plans, dataset: nnU-Net's own.
        state: the checkpoint's content.
    """

    folder: Path
    checkpoint: Path
    plans: Mapping[str, Any]
    dataset: Mapping[str, Any]
    state: Mapping[str, Any]

    @property
    def configuration(self) -> Mapping[str, Any]:
        """The part of the plans that the network was trained by."""
        name = self.state["init_args"]["configuration"]
        found = dict(self.plans["configurations"][name])
        while "inherits_from" in found:
            found = {**self.plans["configurations"][found.pop("inherits_from")], **found}
        return found

    @property
    def spacing(self) -> list[float]:
        """mm; slices, rows, columns."""
        return [float(step) for step in self.configuration["spacing"]]

    @property
    def patch(self) -> list[int]:
        return [int(side) for side in self.configuration["patch_size"]]

    @property
    def intensities(self) -> list[tuple[float, float, float, float]]:
        """Of each image what :class:`pulmomap.networks.nnunet.NnUnet` wants."""
        found = []
        for channel in range(len(self.dataset["channel_names"])):
            facts = self.plans["foreground_intensity_properties_per_channel"][str(channel)]
            deviation = max(float(facts["std"]), 1e-8)
            found.append(
                (float(facts["percentile_00_5"]), float(facts["percentile_99_5"]), float(facts["mean"]), deviation)
            )
        return found

    def network_def(self) -> dict[str, Any]:
        """The network as a bundle names it.

        Raises:
            RecipeError: the application cannot run it; the sentence says what differs.
        """
        self._refuse_what_we_cannot()
        architecture = self.configuration["architecture"]
        name, arguments = architecture["network_class_name"], architecture["arch_kwargs"]
        return {
            "_target_": "pulmomap.networks.nnunet.NnUnet",
            "features": arguments["features_per_stage"],
            "kernels": arguments["kernel_sizes"],
            "strides": arguments["strides"],
            "blocks": arguments[NETWORKS[name]],
            "decoder": arguments["n_conv_per_stage_decoder"],
            "intensities": self.intensities,
            "residual": NETWORKS[name] == "n_blocks_per_stage",
            "bias": bool(arguments["conv_bias"]),
        }

    def weights(self) -> dict[str, Tensor]:
        """By our network's names. nnU-Net's checkpoints name every tensor up to four times."""
        found: dict[str, Tensor] = {}
        last = len(self.network_def()["decoder"]) - 1
        for name, value in self.state["network_weights"].items():
            if "all_modules" in name or name.startswith("decoder.encoder."):
                continue
            if name.startswith("decoder.seg_layers."):
                layer, _, rest = name.removeprefix("decoder.seg_layers.").partition(".")
                if int(layer) != last:  # of the deep supervision
                    continue
                name = f"decoder.seg_layer.{rest}"
            found[name] = value.float().contiguous()
        return found

    def _refuse_what_we_cannot(self) -> None:
        configuration, architecture = self.configuration, self.configuration["architecture"]
        channels = len(self.dataset["channel_names"])
        schemes = configuration["normalization_schemes"]
        arguments = architecture["arch_kwargs"]
        network = architecture["network_class_name"]
        differs = {
            "network": "" if network in NETWORKS else network,
            "labels": "" if self.dataset["labels"] == CLASSES else self.dataset["labels"],
            "images": "" if channels == 2 else channels,
            "normalisation": "" if set(schemes) == {"CTNormalization"} else schemes,
            "order of axes": "" if self.plans["transpose_forward"] == [0, 1, 2] else self.plans["transpose_forward"],
            "earlier stage": configuration.get("previous_stage") or "",
            **{name: "" if arguments.get(name) == value else arguments.get(name) for name, value in ASKED.items()},
        }
        if reasons := [f"{what}: {value}" for what, value in differs.items() if value != ""]:
            raise RecipeError(
                f"{self.checkpoint} cannot run in the application ({'; '.join(reasons)}); it takes a 3D "
                "full-resolution network of two channels named CT, with the labels "
                + ", ".join(f"{name} {value}" for name, value in CLASSES.items())
            )


def model_folder(given: Path) -> Path | None:
    """nnU-Net's folder of a network: the given one, or the one above a fold; None where it is neither."""
    return next((one for one in (given, given.parent) if (one / "plans.json").is_file()), None)


def read_trained(given: Path) -> Trained:
    """Read a network of nnU-Net's.

    Args:
        given: folder of the network if it has one fold, or of the fold.

    Raises:
        RecipeError: there is no checkpoint, there are several, or it cannot be read.
    """
    folder = model_folder(given)
    if folder is None:
        raise RecipeError(f"{given} holds no plans.json; give nnU-Net's folder of a trained network")
    folds = [given] if given != folder else sorted(folder.glob("fold_*"))
    found = [path for fold in folds if (path := checkpoint_in(fold)) is not None]
    if len(found) != 1:
        names = ", ".join(path.parent.name for path in found) or "no fold"
        raise RecipeError(f"{given} holds checkpoints of {names}; give the folder of one fold that has one")
    plans, dataset = (json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("plans", "dataset"))
    try:
        with torch.serialization.safe_globals(NUMPY):
            state = torch.load(found[0], map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise RecipeError(f"{found[0]} cannot be read as a checkpoint of nnU-Net: {_line(error)}") from None
    return Trained(folder, found[0], plans, dataset, state)


def checkpoint_in(fold: Path) -> Path | None:
    """The checkpoint of a fold."""
    return next((path for name in CHECKPOINTS if (path := fold / name).is_file()), None)


def clip_range(intensities: list[tuple[float, float, float, float]]) -> list[float]:
    """HU beyond which no image's normalisation tells voxels apart."""
    lows, highs, *_ = zip(*intensities, strict=True)
    return [float(math.floor(min(lows))), float(math.ceil(max(highs)))]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
