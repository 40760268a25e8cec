"""Crops of thick slices and the thin slices that they were made of, for the inter-slice super-resolution."""

from __future__ import annotations

import math

import numpy as np
import torch

from pulmomap.imaging.thick_slices import slab_weights
from training.augment import degrade
from training.data import Batch, patch_start, random_centre, read_patch, to_network
from training.recipe import Preset
from training.store import Case


def thick_crop(case: Case, preset: Preset, rng: np.random.Generator, *, augment: bool = True) -> Batch:
    """One training pair: a few thick slices, and consecutive thin slices somewhere between the outermost of them.

    Noise is added to the thin slices before they are averaged, as a thick slice averages it; the truth has none of it.

    Returns:
        ``x`` (k, rows, columns), the thick slices; ``place`` (n,), where the thin slices lie, as indices of the thick
        ones; ``y`` (n, rows, columns), the thin slices. Network units.
    """
    settings = preset.super_resolution
    count, rows, columns = preset.crop.size
    ratio = rng.uniform(*settings.ratio)
    thickness = max(1.0, ratio * rng.uniform(*settings.thickness))
    span = (settings.slices - 1) * ratio
    depth = math.ceil(span + thickness) + 2
    size = (depth, rows, columns)
    start = patch_start(random_centre(case, "aims", preset.crop.aimed, size, rng), size, case.shape)
    thin = read_patch(case.array("ncct"), start, size).astype(np.float32)
    first = (depth - 1 - span) / 2 + rng.uniform(-0.5, 0.5)
    weights = slab_weights(first + ratio * np.arange(settings.slices, dtype=np.float64), thickness, depth)
    shown = degrade(thin, rng, preset.augmentation) if augment else thin
    lowest, highest = math.ceil(first), math.floor(first + span)
    chosen = rng.integers(lowest, highest - count + 2) + np.arange(count)
    return {
        "x": to_network(np.tensordot(weights, shown, 1)),
        "place": torch.from_numpy(((chosen - first) / ratio).astype(np.float32)),
        "y": to_network(thin[chosen]),
    }
