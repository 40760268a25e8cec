"""The network of a training run on whole scans, without a bundle: the comparison arms are measured, never shipped.

Everything but the network is the application's: the region of the lungs, the grid, the hull, the fading.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from highdicom import Volume
from monai.networks.nets import SwinUNETR
from torch import nn

from pulmomap.case import ModelIdentity, Ncct, SynCect
from pulmomap.imaging.slabs import Mode
from pulmomap.imaging.windows import Blend, Size, Tiling, read_window
from pulmomap.inference.bundle_spec import Preprocessing, SynthesisInference
from pulmomap.inference.runtime import OpenVinoRuntime, Runtime, TorchRuntime
from pulmomap.inference.synthesis import SynthesisSettings, by_stacks, enhanced
from pulmomap.networks.standardised import folded
from training.checkpoint import load_checkpoint
from training.data import STACK
from training.export import averaged_weights
from training.fit import PRESET
from training.recipe import Preset, RecipeError, build

STRIDE = 32  # of the deepest library network, which does not say what its sides must be multiples of
OVERLAP = 0.25  # of the windows of a 3D network
AIR = -1.0  # network units

Synthesise = Callable[[Ncct], SynCect]


@dataclass(frozen=True)
class Trained:
    """What a run has made so far.

    Attributes:
        preset: what was trained.
        network: the averaged weights, on the CPU, in evaluation mode.
        digest: SHA-256 of the weights.
        steps, seconds: of training.
    """

    preset: Preset
    network: nn.Module
    digest: str
    steps: int
    seconds: float

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())


def read_run(folder: Path) -> Trained:
    """Read a synthesiser's run.

    Raises:
        RecipeError: there is no checkpoint, or the run is one of another task.
    """
    state = load_checkpoint(folder)
    preset = Preset.model_validate_json((folder / PRESET).read_text(encoding="utf-8"))
    if preset.task != "synthesis":
        raise RecipeError(f"{folder} is a run of {preset.name}, whose task is {preset.task}, not synthesis")
    weights = averaged_weights(state["average"])
    network = build(preset.network)
    network.load_state_dict(weights)
    network.requires_grad_(False).eval()
    digest = hashlib.sha256(safetensors.torch.save(weights)).hexdigest()
    return Trained(preset, network, digest, int(state["step"]), float(state["spent"]))


def open_run(trained: Trained, assembly: Mode | None = None) -> Synthesise:
    """A run's network as a synthesiser of whole scans, in float32 on the device at hand.

    Args:
        trained: what was trained.
        assembly: how the answers of a 2.5D network become a volume; by default as its recipe says.
    """
    preset = trained.preset
    preprocessing = Preprocessing.model_validate(preset.preprocessing)
    inference = SynthesisInference.model_validate(preset.inference)
    settings = SynthesisSettings()
    identity = ModelIdentity(preset.name, "0.0.0", trained.digest, "see its run", settings.identity)
    runtime = _runtime(trained)
    answer: Callable[[Volume], Volume]
    if preset.crop.size[0] == STACK:
        stride = int(getattr(trained.network, "stride", STRIDE))
        answer = partial(by_stacks, runtime=runtime, stride=stride, mode=assembly or inference.assembly)
    else:
        answer = partial(by_windows, runtime=runtime, tile=preset.crop.size)
    return lambda ncct: enhanced(ncct, answer, preprocessing, inference.lung_margin_mm, settings, identity)


def _runtime(trained: Trained) -> Runtime:
    """In float32: on a CPU by OpenVINO, whose answers are PyTorch's to 1e-5 of 1000 HU."""
    network = folded(trained.network)
    # A 3D arm has its slices where a 2D one has channels, so both have the memory layout of 2D.
    if torch.cuda.is_available():
        return TorchRuntime(network, "cuda", "f32", 2)
    # OpenVINO cannot take a Swin transformer to another size.
    if any(isinstance(module, SwinUNETR) for module in network.modules()):
        return TorchRuntime(network, "cpu", "f32", 2)
    side = 2 * int(getattr(network, "stride", STRIDE))
    example = torch.zeros(1, trained.preset.crop.size[0], side, side)
    return OpenVinoRuntime(network, example, "f32", torch.get_num_threads())


def by_windows(image: Volume, runtime: Runtime, tile: Size) -> Volume:
    """A 3D network's answer to a whole volume, in windows as large as its training crops.

    Args:
        image: on the network's grid, network units.
        runtime: (1, slices, rows, columns) to the same.
        tile: voxels of a window.
    """
    slices, rows, columns = image.spatial_shape
    tiling = Tiling((slices, rows, columns), tile, OVERLAP)
    blend = Blend(tiling, 1)
    # Two at a time: a batch of one falls into torch's slow 3D convolution on a CPU.
    windows = list(tiling.windows())
    for first in range(0, len(windows), 2):
        pair = windows[first : first + 2]
        parts = np.stack([read_window(image.array, one, tile, AIR) for one in (pair * 2)[:2]])
        for window, part in zip(pair, runtime(parts.astype(np.float32, copy=False)), strict=False):
            blend.add(window, part[None])
    return image.with_array(blend.result[0])
