"""Where a run starts from: nothing, another run's network, or the encoder that a pretraining left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from training.recipe import RecipeError

PRETRAINED = "network."  # where a masked autoencoder holds the segmenter


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
