"""Overlapping windows over a volume, and the blending of what a network predicts in them.

The weight of a window falls off from its middle as a Gaussian (sigma an eighth of the window, as in MONAI and nnU-Net).
The Gaussian is separable and so is the grid of windows: normalising it along each axis makes the weights of all windows
sum to one everywhere. So blending needs no volume of weights beside that of the predictions, and no division.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from math import ceil
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Size: TypeAlias = tuple[int, int, int]
Window: TypeAlias = tuple[slice, slice, slice]
SIGMA = 1 / 8  # of the window


@dataclass(frozen=True)
class Tiling:
    """A grid of equal windows that covers a volume.

    The number of windows is the smallest whose overlap is at least ``overlap``; they are spread evenly, the first and
    the last at the volume's ends.

    Attributes:
        size: of the volume (slice, row, column), voxels.
        tile: of a window, voxels.
        overlap: fraction of a window shared with the next, 0 up to but not 1.
    """

    size: Size
    tile: Size
    overlap: float = 0.5

    def __post_init__(self) -> None:
        if min(self.size) < 1 or min(self.tile) < 1 or not 0 <= self.overlap < 1:
            raise ValueError(
                f"no windows of {self.tile} with overlap {self.overlap} fit a volume of {self.size} voxels"
            )

    @cached_property
    def starts(self) -> tuple[tuple[int, ...], ...]:
        """First voxel of the windows along each axis."""
        return tuple(_starts(size, tile, self.overlap) for size, tile in zip(self.size, self.tile, strict=True))

    @property
    def counts(self) -> Size:
        """Number of windows along each axis."""
        slices, rows, columns = (len(starts) for starts in self.starts)
        return slices, rows, columns

    def windows(self, mask: NDArray[Any] | None = None) -> Iterator[Window]:
        """The windows in the order of the voxels, cut at the volume's end where it is smaller than a window.

        Args:
            mask: (slice, row, column); windows in which it is 0 throughout are left out.
        """
        for start in product(*self.starts):
            first, second, third = (
                slice(a, min(a + tile, size)) for a, tile, size in zip(start, self.tile, self.size, strict=True)
            )
            window = (first, second, third)
            if mask is None or mask[window].any():
                yield window

    @cached_property
    def weights(self) -> tuple[dict[int, NDArray[np.float32]], ...]:
        """Per axis, for every start, the window's share of each of its voxels; they sum to one over the windows."""
        return tuple(
            _shares(starts, tile, size) for starts, tile, size in zip(self.starts, self.tile, self.size, strict=True)
        )


@dataclass
class Blend:
    """The weighted mean of the predictions of all windows, gathered window by window.

    Windows that are left out count as 0. With the mask given to :meth:`Tiling.windows`, no voxel inside the mask lies
    in a window that is left out, so there the result is whole; outside it fades to 0.

    Attributes:
        tiling: the windows.
        channels: of a prediction.
        result: (channels, slice, row, column) float32.
    """

    tiling: Tiling
    channels: int
    result: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        self.result = np.zeros((self.channels, *self.tiling.size), np.float32)

    def add(self, window: Window, prediction: NDArray[Any]) -> None:
        """Take in a prediction (channels, *tile); what a padded window has beyond the volume is dropped.

        Raises:
            ValueError: the prediction has not the tiling's shape.
        """
        expected = (self.channels, *self.tiling.tile)
        if prediction.shape != expected:
            raise ValueError(f"the prediction has shape {prediction.shape}, the window needs {expected}")
        across, down, right = (weights[part.start] for weights, part in zip(self.tiling.weights, window, strict=True))
        inside = prediction[:, : len(across), : len(down), : len(right)]
        share = (across[:, None] * down)[:, :, None] * right
        for channel, values in zip(self.result, inside, strict=True):
            channel[window] += share * values


def read_window(volume: NDArray[Any], window: Window, tile: Size, fill: float) -> NDArray[Any]:
    """The voxels of a window, filled up behind the volume's end to the whole tile.

    Args:
        volume: (..., slice, row, column).
        window: from :meth:`Tiling.windows`.
        tile: voxels.
        fill: the value beyond the volume, in the volume's units.

    Returns:
        (..., *tile); a view where nothing is missing.
    """
    part = volume[(..., *window)]
    missing = [(0, size - have) for size, have in zip(tile, part.shape[-3:], strict=True)]
    if not any(after for _, after in missing):
        return part
    return np.pad(part, [(0, 0)] * (volume.ndim - 3) + missing, constant_values=fill)


def _starts(size: int, tile: int, overlap: float) -> tuple[int, ...]:
    step = max(1, int(round(tile * (1 - overlap), 6)))
    count = max(0, ceil((size - tile) / step)) + 1
    return tuple(int(start) for start in np.rint(np.linspace(0, max(0, size - tile), count)))


def _shares(starts: tuple[int, ...], tile: int, size: int) -> dict[int, NDArray[np.float32]]:
    bell = np.exp(-0.5 * ((np.arange(tile) - (tile - 1) / 2) / (SIGMA * tile)) ** 2)[:size]
    total = np.zeros(size)
    for start in starts:
        total[start : start + tile] += bell
    return {start: (bell / total[start : start + tile]).astype(np.float32) for start in starts}
