"""Thin slices from a scan of thick ones.

Thin slices are predicted in short runs, each from the thick slices around it, as in training. Every run shares half of
its slices with the next one; where runs overlap they are averaged, the middle of a run counting most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from highdicom import Volume
from numpy.typing import NDArray

from pulmomap.imaging.resampling import canonical
from pulmomap.inference.bundle import Bundle, load_super_resolution_bundle
from pulmomap.inference.bundle_spec import SuperResolutionConfig

HALO = 32  # pixels around a tile; the network's reach within the slice is less
BATCH = 2  # runs at a time: a batch of one falls into torch's slow 3D convolution on a CPU

Floats = NDArray[np.float32]
Predict = Callable[[Floats, Floats], Floats]
Tile = tuple[slice, slice]


@dataclass(frozen=True)
class SliceModel:
    """A super-resolution that is ready to run."""

    bundle: Bundle[SuperResolutionConfig]
    device: str

    def __call__(self, thick: Floats, places: Floats) -> Floats:
        """(batch, k, rows, columns) network units, (batch, n) indices of thick slices to (batch, n, rows, columns)."""
        with torch.inference_mode():
            seen, where = (torch.from_numpy(array).to(self.device) for array in (thick, places))
            answer: torch.Tensor = self.bundle.network(seen[:, None], where)
        return answer[:, 0].float().cpu().numpy()


def open_slice_model(folder: Path, device: str = "cpu") -> SliceModel:
    """Load a bundle.

    Raises:
        BundleError: see :func:`pulmomap.inference.bundle.load_bundle`.
    """
    bundle = load_super_resolution_bundle(folder)
    bundle.network.to(device)
    return SliceModel(bundle, device)


def thin_slices(volume: Volume, model: SliceModel, spacing: float = 1.0) -> Volume:
    """The scan with slices at another distance; rows and columns stay as they are.

    Args:
        volume: HU, any layout; its axis closest to head and feet is the one that is refined.
        model: from :func:`open_slice_model`.
        spacing: mm between the new slices; no more than the scan's.

    Returns:
        float32 HU in canonical orientation, the same field of view: the first and the last new slice lie within it.

    Raises:
        ValueError: the scan's slices are closer than the wanted ones, or the scan has fewer than two.
    """
    source = canonical(volume)
    ratio = float(source.spacing[0]) / spacing
    if ratio < 1 or len(source.array) < 2:
        raise ValueError(
            f"{len(source.array)} slices {source.spacing[0]:.2f} mm apart cannot be made into slices {spacing:.2f} mm "
            "apart; only a scan of several, thicker slices can be refined"
        )
    count = int(np.ceil(round(len(source.array) * ratio, 5)))
    first = (len(source.array) - 1) / 2 - (count - 1) / 2 / ratio
    inference, preprocessing = model.bundle.config.inference, model.bundle.config.preprocessing
    low, high = preprocessing.clip_hu
    unit = preprocessing.scale_hu
    thick = np.asarray(np.clip(source.array, low, high) / unit, dtype=np.float32)
    places = (first + np.arange(count) / ratio).astype(np.float32)
    fine = refine(thick, places, model, inference.thick, inference.thin, inference.tile) * np.float32(unit)
    affine = np.array(source.affine)
    affine[:3, 3] += affine[:3, 0] * first
    affine[:3, 0] /= ratio
    return Volume(fine, affine, source.coordinate_system, source.frame_of_reference_uid)


def refine(thick: Floats, places: Floats, predict: Predict, around: int, run: int, tile: int) -> Floats:
    """Thin slices at places, run by run and tile by tile.

    Args:
        thick: (slices, rows, columns); beyond its ends the outermost slice is repeated.
        places: (n,), rising, indices of ``thick``.
        predict: the network; it gets two runs at a time.
        around: thick slices that it sees at a time.
        run: thin slices that it makes from them.
        tile: pixels, without the halo.
    """
    # A run must end before the thick slices around it do.
    reach = (around - 2) * (len(places) - 1) / float(places[-1] - places[0])
    length = min(run, len(places), int(reach) + 1)
    hat = np.minimum(np.arange(1, length + 1), np.arange(length, 0, -1)).astype(np.float32)
    fine = np.zeros((len(places), *thick.shape[1:]), np.float32)
    weight = np.zeros(len(places), np.float32)
    runs = [_run(places, start, length, around, len(thick)) for start in run_starts(len(places), length)]
    for batch in (runs[first : first + BATCH] for first in range(0, len(runs), BATCH)):
        full = (batch * BATCH)[:BATCH]
        where = np.stack([one.places for one in full])
        for outer, inner, kept in _tiles(thick.shape[1:], tile):
            shown = np.stack([thick[(one.seen, *outer)] for one in full])
            for one, answer in zip(batch, predict(shown, where), strict=False):
                fine[(one.made, *inner)] += answer[(slice(None), *kept)] * hat[:, None, None]
    for one in runs:
        weight[one.made] += hat
    fine /= weight[:, None, None]
    return fine


@dataclass(frozen=True)
class _Run:
    """Thin slices that are made at once: which, the thick slices that are shown for them, and their places in those.

    Beyond the ends of the scan its outermost slice is shown again.
    """

    made: slice
    seen: NDArray[np.int64]
    places: Floats


def _run(places: Floats, start: int, length: int, around: int, slices: int) -> _Run:
    chosen = slice(start, start + length)
    base = int(np.floor(places[chosen].mean() - (around - 1) / 2 + 0.5))
    seen = np.clip(np.arange(base, base + around), 0, slices - 1)
    return _Run(chosen, seen, places[chosen] - np.float32(base))


def run_starts(count: int, length: int) -> list[int]:
    """Starts of runs that cover ``count`` slices, each sharing at least half of its slices with the next."""
    last = count - length
    return sorted({*range(0, last, max(length // 2, 1)), last})


def _tiles(shape: tuple[int, ...], tile: int) -> Iterator[tuple[Tile, Tile, Tile]]:
    """What is shown, what is made of it, and where that lies in what was shown."""

    def parts(size: int) -> list[tuple[slice, slice, slice]]:
        found = []
        for start in range(0, size, tile):
            stop, low = min(start + tile, size), max(start - HALO, 0)
            outer = slice(low, min(stop + HALO, size))
            found.append((outer, slice(start, stop), slice(start - low, stop - low)))
        return found

    for rows, columns in product(parts(shape[0]), parts(shape[1])):
        yield (rows[0], columns[0]), (rows[1], columns[1]), (rows[2], columns[2])
