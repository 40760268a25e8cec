"""Where a run starts from: nothing, another run's or bundle's network, or the encoder that a pretraining left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor, nn

from pulmomap.networks.coarse_to_fine import CoarseToFine
from training.checkpoint import describe, load_checkpoint
from training.recipe import RecipeError

PRETRAINED = "network."  # where a masked autoencoder holds the segmenter


def origin(folder: Path) -> tuple[Mapping[str, Any], str]:
    """Weights to start from, as a weight average's state, and what they are, for the model card.

    Args:
        folder: of a run, or of a bundle that was exported.

    Raises:
        RecipeError: it holds neither.
    """
    file = folder / "models" / "model.safetensors"
    if not file.is_file():
        state = load_checkpoint(folder)
        return state["average"], describe(state)
    try:
        weights = safetensors.torch.load_file(file)
        facts = json.loads((folder / "configs" / "metadata.json").read_text(encoding="utf-8"))
        said = f"the bundle {facts['name']} {facts['version']} ({facts['steps']} steps, {facts['seconds']} s)"
    except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
        raise RecipeError(f"{folder} is no whole bundle ({error}); export it again") from error
    return {f"module.{name}": value for name, value in weights.items()}, f"{said}, which started from " + str(
        facts["started_from"]
    )


def encoder_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's part of weights, by the network's own names. RecipeError where it has no encoder of its own."""
    chosen = getattr(network, "encoder_weights", None)
    if chosen is None:
        raise RecipeError(
            f"{type(network).__name__} has no encoder that could be pretrained or trained at another rate"
        )
    found: dict[str, Tensor] = chosen(weights)
    return found


def take_weights(network: nn.Module, average: Mapping[str, Any]) -> str:
    """Fill a network with the averaged weights of another run.

    Args:
        network: of the new run.
        average: weight average in the other run's checkpoint. Of a pretraining, the encoder alone is taken.

    Returns:
        What was taken, for the model card.

    Raises:
        RecipeError: the weights are of another network.
    """
    weights = {name.removeprefix("module."): value for name, value in average.items() if name.startswith("module.")}
    inner = {name.removeprefix(PRETRAINED): value for name, value in weights.items() if name.startswith(PRETRAINED)}
    own = network.state_dict()
    if inner and not any(name.startswith(PRETRAINED) for name in own):
        taken, what = encoder_weights(network, inner), "the encoder of "
        expected = {name: own[name] for name in encoder_weights(network, own)}
    elif isinstance(network, CoarseToFine) and "output.weight" in weights:
        taken, what = network.encoder_weights(weights), "as its coarse stage, "
        expected = network.encoder_weights(own)
    else:
        taken, what, expected = weights, "", own
    for name in sorted(taken.keys() | expected.keys()):
        shapes = [tuple(one[name].shape) if name in one else "nothing" for one in (taken, expected)]
        if shapes[0] != shapes[1]:
            raise RecipeError(
                f"the weights to start from have {shapes[0]} at {name}, the network {shapes[1]}; start from a run of "
                "the same network"
            )
    network.load_state_dict(taken, strict=False)
    return what
