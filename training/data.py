"""Random crops, read straight from the memory maps of the store: no volume is ever loaded whole.

Every crop is decided by one random generator, so that a resumed run sees exactly the crops it would have seen.
Networks get HU clipped to [-1000, 1000] and divided by 1000.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from training.augment import degrade, draw_affine, mirror, slabs, warp
from training.losses_skeleton import tubed_skeleton
from training.recipe import Crop, Preset, SecondChannel
from training.store import Case

HU_LIMIT = 1000.0
HU_UNIT = 1000.0
VESSEL_SHARE = 0.25
"""Share of a coarser voxel from which on it is vessel: what loses least there and back, `benchmarks.grid_ceiling`."""

LEVELS = 4
STACK = 3  # slices of a 2.5D crop

Floats = NDArray[np.float32]
Start = tuple[int, int, int]
Batch = dict[str, Tensor]


def to_network(hu: Floats) -> Tensor:
    """HU -> network units."""
    return torch.from_numpy(np.clip(hu, -HU_LIMIT, HU_LIMIT) / np.float32(HU_UNIT))


def read_patch(array: NDArray[Any], start: Start, size: Start) -> NDArray[Any]:
    """Copy a patch out of a volume; what lies outside the volume repeats its border.

    Args:
        array: (slices, rows, columns).
        start: index of the first voxel; may be negative or reach past the end.
        size: voxels.
    """
    window = [np.clip(np.arange(s, s + k), 0, n - 1) for s, k, n in zip(start, size, array.shape, strict=True)]
    return np.asarray(array[np.ix_(*window)])


def patch_start(centre: NDArray[Any], size: Start, shape: Start) -> Start:
    """Start of the patch around ``centre``, moved inside the volume where the volume is large enough."""
    starts = [
        int(np.clip(c - k // 2, min(0, (n - k) // 2), max(n - k, (n - k) // 2)))
        for c, k, n in zip(centre, size, shape, strict=True)
    ]
    return starts[0], starts[1], starts[2]


def random_centre(case: Case, points: str, aimed: float, size: Start, rng: np.random.Generator) -> NDArray[Any]:
    """A random centre: near one of the case's points with probability ``aimed``, else anywhere."""
    if rng.random() < aimed and len(case.array(points)):
        aims = case.array(points)
        return np.asarray(aims[rng.integers(len(aims))]) + rng.integers(-(np.array(size) // 4), np.array(size) // 4 + 1)
    return rng.integers(0, case.shape)


def synthesis_crop(case: Case, preset: Preset, rng: np.random.Generator, *, augment: bool = True) -> Batch:
    """One training pair: a 2.5D stack, or a block of more slices for a 3D network.

    Returns:
        ``x`` the input and ``y`` the CECT, (slices, rows, columns) in network units; ``gain`` CECT - input before
        augmentation, HU, from which the loss finds the vessels.
    """
    depth, rows, columns = preset.crop.size
    aim = random_centre(case, "enhanced", preset.crop.aimed, preset.crop.size, rng)
    if preset.crop.central:
        aim = np.array([aim[0], case.shape[1] // 2, case.shape[2] // 2])
    start = patch_start(aim, preset.crop.size, case.shape)
    if depth <= STACK:  # the first and the last slice are the middle of a stack too
        start = (int(np.clip(aim[0], 0, case.shape[0] - 1)) - depth // 2, *start[1:])
    source = "vnc" if augment and "vnc" in case and rng.random() < preset.plain else "ncct"
    before = read_patch(case.array(source), start, preset.crop.size).astype(np.float32)
    after = read_patch(case.array("cect"), start, preset.crop.size).astype(np.float32)
    shown = degrade(before, rng, preset.augmentation) if augment else before
    crops = torch.stack([to_network(shown), to_network(after), torch.from_numpy(after - before)])
    if augment and rng.random() < preset.augmentation.affine:
        matrix = draw_affine((rows, columns), rng, preset.augmentation)
        crops = warp(crops.flatten(0, 1), matrix).reshape(crops.shape)
    if augment:
        crops = mirror(crops, rng, preset.augmentation.flip)
    return {"x": crops[0], "y": crops[1], "gain": crops[2]}


def segmentation_crop(case: Case, preset: Preset, rng: np.random.Generator, *, augment: bool = True) -> Batch:
    """One 3D training pair.

    Returns:
        ``x`` (NCCT, Syn-CECT) (2, slices, rows, columns), ``y`` labels 0, 1 PA, 2 PV (int64); where the loss needs
        them, ``level`` 0 to 3 of the vessels and ``skeleton``, labels of the thickened centre lines.
    """
    size = reach(preset.crop)
    start = patch_start(random_centre(case, "aims", preset.crop.aimed, size, rng), size, case.shape)

    def hu(name: str) -> Floats:
        return read_patch(case.array(name), start, size).astype(np.float32)

    plain = hu("vnc" if augment and "vnc" in case and rng.random() < preset.plain else "ncct")
    if augment:
        if preset.enhanced and rng.random() < preset.enhanced:
            plain = second = hu("cect")
        else:
            second = second_channel(hu, plain, "syn" in case, preset.second_channel, rng)
        plain, second = degrade(plain, rng, preset.augmentation), degrade(second, rng, preset.augmentation)
        if (weights := slabs(size[0], rng, preset.augmentation)) is not None:  # after the noise: slabs average it too
            plain, second = (np.tensordot(weights, one, 1) for one in (plain, second))
    else:
        alone = preset.second_channel.syn + preset.second_channel.cect == 0
        second = plain if alone else hu("syn" if "syn" in case else "cect")
    images = torch.stack([to_network(plain), to_network(second)])
    maps = ("vessels",) if preset.cascade is None else ("vessels", "levels")
    labels = torch.stack([torch.from_numpy(read_patch(case.array(name), start, size)) for name in maps])
    if augment and rng.random() < preset.augmentation.affine:
        matrix = draw_affine(size, rng, preset.augmentation)
        images, labels = warp(images, matrix), warp(labels, matrix, labels=True)
    if size != preset.crop.size:
        images, labels = coarser(images, labels, preset.crop.size)
    crop = {"x": images, "y": labels[0].long()}
    if preset.cascade is not None:
        crop["level"] = labels[1]
    if preset.segmentation.skeleton_weight:
        crop["skeleton"] = torch.from_numpy(tubed_skeleton(labels[0].numpy()))
    return crop


def reach(crop: Crop) -> Start:
    """Voxels of the store that a crop covers."""
    slices, rows, columns = (round(side * crop.zoom) for side in crop.size)
    return slices, rows, columns


def coarser(images: Tensor, labels: Tensor, size: Start) -> tuple[Tensor, Tensor]:
    """Resample a crop to a coarser grid: images linearly, as inference does, labels by their share of a voxel.

    A thin vessel never fills half of a voxel; see :data:`VESSEL_SHARE`.

    Args:
        images: (channels, slices, rows, columns).
        labels: (1 or 2, slices, rows, columns): 0, 1, 2; and the vessels' levels, 0 to 3.
        size: of the coarser crop.
    """
    return coarser_images(images, size), coarser_labels(labels, size)


def coarser_images(images: Tensor, size: Start) -> Tensor:
    """The images of :func:`coarser` alone."""
    return F.interpolate(images[None], size, mode="trilinear")[0]


def coarser_labels(labels: Tensor, size: Start, least: float = VESSEL_SHARE) -> Tensor:
    """The labels of :func:`coarser` alone; ``least`` is the share of a voxel from which on it is vessel."""

    def share(masks: list[Tensor]) -> Tensor:
        return F.interpolate(torch.stack(masks)[None].float(), size, mode="trilinear")[0]

    shares = share([labels[0] == 1, labels[0] == 2])
    vessel = shares.sum(0) >= least
    result = [vessel * (1 + shares.argmax(0))]
    if len(labels) > 1:
        levels = share([(labels[0] > 0) & (labels[1] == level) for level in range(LEVELS)])
        result.append(levels.argmax(0) * vessel)
    return torch.stack(result).to(labels.dtype)


def second_channel(hu: Any, plain: Floats, has_syn: bool, shares: SecondChannel, rng: np.random.Generator) -> Floats:
    """Draw what stands for the Syn-CECT; a case that has none yet shows its CECT, enhanced at random, instead."""
    kind = rng.random() * (shares.syn + shares.cect + shares.ncct)
    if has_syn and kind < shares.syn:
        syn: Floats = hu("syn")
        return syn
    if kind < shares.syn + shares.cect:
        mixed: Floats = plain + np.float32(rng.uniform(*shares.enhancement)) * (hu("cect") - plain)
        return mixed
    return plain
