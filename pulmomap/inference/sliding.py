"""A 3D network's answer to a whole volume, window by window.

On a CPU the windows are gathered in numpy, whatever runs the network. On a GPU the volume goes there once and only the
probabilities come back: every window's way to and fro, and its softmax on the CPU, would cost more than the network.
"""

from __future__ import annotations

from math import prod

import numpy as np
from scipy.special import softmax

from pulmomap.imaging.windows import Blend, Tiling
from pulmomap.inference.preparation import Floats, Progress, no_progress
from pulmomap.inference.runtime import Runtime, TorchRuntime

TOGETHER = 3_000_000  # voxels that a GPU is given at a time: one large window, or many small ones


def sliding_probabilities(
    stacked: Floats, runtime: Runtime, tiling: Tiling, classes: int, progress: Progress = no_progress
) -> Floats:
    """Softmax of the blended logits of all windows.

    Args:
        stacked: (channels, *size), network units; no side is shorter than a window's.
        runtime: (batch, channels, *tile) to (batch, classes, *tile).
        tiling: of the volume.
        classes: of the network.
        progress: is told the part that is done, 0 to 1.

    Returns:
        (classes, *size) probabilities.
    """
    if isinstance(runtime, TorchRuntime) and runtime.device == "cuda":
        return on_device(stacked, runtime, tiling, classes, progress)
    blend = Blend(tiling, classes)
    windows = list(tiling.windows())
    for done, window in enumerate(windows, start=1):
        blend.add(window, runtime(np.ascontiguousarray(stacked[(None, slice(None), *window)]))[0])
        progress(done / len(windows))
    for logits in blend.result.transpose(1, 0, 2, 3):  # slice by slice: no second volume of floats
        logits[...] = softmax(logits, axis=0)
    return blend.result


def on_device(
    stacked: Floats, runtime: TorchRuntime, tiling: Tiling, classes: int, progress: Progress = no_progress
) -> Floats:
    """:func:`sliding_probabilities` with the volume, the blending and the softmax where the network is."""
    import torch

    windows, together = list(tiling.windows()), max(1, TOGETHER // prod(tiling.tile))
    with torch.inference_mode():
        volume = torch.from_numpy(stacked).to(runtime.device)
        result = torch.zeros((classes, *tiling.size), device=runtime.device)
        weights = [
            {start: torch.from_numpy(share).to(runtime.device) for start, share in axis.items()}
            for axis in tiling.weights
        ]
        for first in range(0, len(windows), together):
            chosen = windows[first : first + together]
            answers = runtime.answer(torch.stack([volume[(slice(None), *window)] for window in chosen]))
            for window, logits in zip(chosen, answers, strict=True):
                across, down, right = (axis[part.start] for axis, part in zip(weights, window, strict=True))
                share = (across[:, None] * down)[:, :, None] * right
                result[(slice(None), *window)].addcmul_(logits, share)
            progress((first + len(chosen)) / len(windows))
        found: Floats = result.softmax(0).cpu().numpy()
        return found
