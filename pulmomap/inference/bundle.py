"""Opens a model bundle: a folder in MONAI's bundle layout with safetensors weights.

    <folder>/configs/metadata.json     name, version, task, what it was trained on
    <folder>/configs/inference.json    network_def, preprocessing, inference
    <folder>/models/model.safetensors  the weights

A bundle is data: nothing in it is executed. Its network must be a class of ``pulmomap.networks``, and its weights are
safetensors, never pickles. MONAI's own ConfigParser reads the same files; it is not used here because it runs whatever
the JSON names, and because importing it takes seconds.
"""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from pulmomap.case import ModelIdentity
from pulmomap.inference.bundle_spec import (
    Metadata,
    NetworkDef,
    SegmentationConfig,
    SuperResolutionConfig,
    SynthesisConfig,
    Task,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

AnyConfig: TypeAlias = SynthesisConfig | SegmentationConfig | SuperResolutionConfig
Config = TypeVar("Config", SynthesisConfig, SegmentationConfig, SuperResolutionConfig, AnyConfig)
Read = TypeVar("Read", bound=BaseModel)
WEIGHTS = Path("models", "model.safetensors")
CONFIGS: dict[Task, type[SynthesisConfig] | type[SegmentationConfig] | type[SuperResolutionConfig]] = {
    "synthesis": SynthesisConfig,
    "segmentation": SegmentationConfig,
    "super_resolution": SuperResolutionConfig,
}
# (channels in, channels out, spatial axes) that the code around a network of each task relies on
SHAPES: dict[Task, tuple[int, int, int]] = {
    "synthesis": (3, 3, 2),
    "segmentation": (2, 3, 3),
    "super_resolution": (1, 1, 3),  # and, as a second input, the places of the slices it makes
}


class BundleError(Exception):
    """A network cannot be used. One sentence: which bundle, what is wrong, what to do."""


@dataclass(frozen=True)
class Bundle(Generic[Config]):
    """A network that is ready to run.

    Attributes:
        folder: where it came from.
        metadata, config: what it says about itself.
        network: float32, on the CPU, in evaluation mode. Has an attribute ``stride``: the sides of its input must be
            multiples of it.
        identity: for provenance.
    """

    folder: Path
    metadata: Metadata
    config: Config
    network: nn.Module
    identity: ModelIdentity

    @property
    def stride(self) -> int:
        return int(self.network.stride)  # type: ignore[arg-type]

    @property
    def in_channels(self) -> int:
        return SHAPES[self.metadata.task][0]

    @property
    def axes(self) -> int:
        """Spatial axes of the network: 2 or 3."""
        return SHAPES[self.metadata.task][2]


def load_bundle(folder: Path) -> Bundle[AnyConfig]:
    """Read and check a bundle.

    Raises:
        BundleError: a file is missing or unreadable, a key is missing, unknown or wrong, or weights and network do not
            belong together.
    """
    metadata = _read(folder, "metadata.json", Metadata)
    config = _read(folder, "inference.json", CONFIGS[metadata.task])
    content = _bytes(folder, WEIGHTS)
    network = _network(folder, config.network_def)
    _fill(folder, network, content)
    _check_shape(folder, network, metadata.task)
    digest = hashlib.sha256(content).hexdigest()
    identity = ModelIdentity(metadata.name, metadata.version, digest, metadata.data.summary)
    return Bundle(folder, metadata, config, network, identity)


def load_synthesis_bundle(folder: Path) -> Bundle[SynthesisConfig]:
    """:func:`load_bundle` for a folder that must hold a contrast synthesiser."""
    bundle = load_bundle(folder)
    if not isinstance(bundle.config, SynthesisConfig):
        raise _wrong_task(bundle, "synthesis")
    return Bundle(folder, bundle.metadata, bundle.config, bundle.network, bundle.identity)


def load_segmentation_bundle(folder: Path) -> Bundle[SegmentationConfig]:
    """:func:`load_bundle` for a folder that must hold a vessel segmenter."""
    bundle = load_bundle(folder)
    if not isinstance(bundle.config, SegmentationConfig):
        raise _wrong_task(bundle, "segmentation")
    return Bundle(folder, bundle.metadata, bundle.config, bundle.network, bundle.identity)


def load_super_resolution_bundle(folder: Path) -> Bundle[SuperResolutionConfig]:
    """:func:`load_bundle` for a folder that must hold an inter-slice super-resolution."""
    bundle = load_bundle(folder)
    if not isinstance(bundle.config, SuperResolutionConfig):
        raise _wrong_task(bundle, "super_resolution")
    return Bundle(folder, bundle.metadata, bundle.config, bundle.network, bundle.identity)


def _wrong_task(bundle: Bundle[AnyConfig], wanted: Task) -> BundleError:
    return BundleError(
        f"bundle {bundle.folder}: its task is {bundle.metadata.task}, but {wanted} is needed here; "
        "put each bundle into the folder of its own name"
    )


def _bytes(folder: Path, file: Path) -> bytes:
    try:
        return (folder / file).read_bytes()
    except OSError as error:
        raise BundleError(
            f"bundle {folder}: {file.as_posix()} cannot be read ({error.strerror}); "
            "take the bundle from a release again, or make it with `python -m training export`"
        ) from None


def _read(folder: Path, name: str, kind: type[Read]) -> Read:
    file = Path("configs", name)
    try:
        return kind.model_validate_json(_bytes(folder, file))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole file"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise BundleError(f"bundle {folder}: {file.as_posix()}: {place}: {first['msg']}{more}") from None


def _network(folder: Path, definition: NetworkDef) -> nn.Module:
    """The network without weights: no memory is taken before they are known to fit."""
    import torch

    module, _, name = definition.target.rpartition(".")
    try:
        maker = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise BundleError(
            f"bundle {folder}: this version has no network {definition.target}; use the release the bundle belongs to"
        ) from None
    if not (isinstance(maker, type) and issubclass(maker, torch.nn.Module) and maker.__module__ == module):
        raise BundleError(f"bundle {folder}: {definition.target} is not a network of pulmomap.networks")
    try:
        with torch.device("meta"):
            return maker(**definition.arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        raise BundleError(f"bundle {folder}: network_def: {definition.target}: {_line(error)}") from None


def _fill(folder: Path, network: nn.Module, content: bytes) -> None:
    import safetensors.torch

    place = f"bundle {folder}: {WEIGHTS.as_posix()}"
    try:
        weights: dict[str, Tensor] = safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise BundleError(f"{place} is not a whole safetensors file ({_line(error)}); copy it again") from None
    expected = network.state_dict()
    for key in sorted(expected.keys() | weights.keys()):
        if key not in weights:
            raise BundleError(f"{place}: the tensor {key} of the network is missing; the two do not belong together")
        if key not in expected:
            raise BundleError(f"{place}: the network has no tensor {key}; the two do not belong together")
        if weights[key].shape != expected[key].shape:
            ours, theirs = tuple(weights[key].shape), tuple(expected[key].shape)
            raise BundleError(f"{place}: the tensor {key} has shape {ours}, the network needs {theirs}")
        if not weights[key].isfinite().all():
            raise BundleError(f"{place}: the tensor {key} holds values that are not finite; train or copy it again")
    network.load_state_dict({key: value.to(expected[key].dtype) for key, value in weights.items()}, assign=True)
    network.requires_grad_(False).eval()


def _check_shape(folder: Path, network: nn.Module, task: Task) -> None:
    """Try the network on a tiny input, so that a wrong one is named before a study is read."""
    import torch

    channels, classes, axes = SHAPES[task]
    side = 2 * int(getattr(network, "stride", 1))
    given = [torch.zeros(1, channels, *(side,) * axes)]
    if task == "super_resolution":
        given.append(torch.arange(float(side))[None])
    try:
        answer = network(*given)
    except (RuntimeError, TypeError) as error:
        raise BundleError(
            f"bundle {folder}: the network does not take {channels} channels on {axes} axes ({_line(error)})"
        ) from None
    if answer.shape != (1, classes, *(side,) * axes):
        raise BundleError(
            f"bundle {folder}: the network makes {tuple(answer.shape)}, a network for {task} must make "
            f"{(1, classes, *(side,) * axes)}"
        )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
