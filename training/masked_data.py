"""Crops with hidden blocks, for pretraining; a case needs no labels."""

from __future__ import annotations

import numpy as np
import torch

from training.augment import draw_affine, warp
from training.data import Batch, Floats, coarser_images, patch_start, reach, read_patch, second_channel, to_network
from training.recipe import Preset
from training.store import Case


def masked_crop(case: Case, preset: Preset, rng: np.random.Generator, *, augment: bool = True) -> Batch:
    """One crop to paint.

    Where a case has no CECT, its NCCT is the second channel too.

    Returns:
        ``x`` (NCCT, Syn-CECT) (2, slices, rows, columns) in network units; ``visible`` (1, *blocks) bool.
    """
    size = reach(preset.crop)
    start = patch_start(rng.integers(0, case.shape), size, case.shape)

    def hu(name: str) -> Floats:
        return read_patch(case.array(name), start, size).astype(np.float32)

    plain = hu("ncct")
    second = second_channel(hu, plain, "syn" in case, preset.second_channel, rng) if "cect" in case else plain
    images = torch.stack([to_network(plain), to_network(second)])
    if augment and rng.random() < preset.augmentation.affine:
        images = warp(images, draw_affine(size, rng, preset.augmentation))
    if size != preset.crop.size:  # the grid of the segmenter that is pretrained
        images = coarser_images(images, preset.crop.size)
    return {"x": images, "visible": draw_visible(preset.crop.size, preset, rng)}


def draw_visible(size: tuple[int, int, int], preset: Preset, rng: np.random.Generator) -> torch.Tensor:
    """(1, *blocks) bool: a random share of the blocks, always the same number of them."""
    grid = [side // preset.masking.block for side in size]
    count = int(np.prod(grid))
    seen = rng.permutation(count) >= round(preset.masking.ratio * count)
    return torch.from_numpy(seen.reshape(1, *grid))
