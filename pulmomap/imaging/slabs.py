"""2.5D: volumes as slabs of neighbouring slices, and back.

A 2.5D network sees a slice together with its neighbours and predicts all of them, so a slice can be predicted up to
``width`` times. How these become one is the assembly's mode:

* ``averaged``: the weighted mean of all predictions of a slice, weights renormalised at the ends;
* ``centre``: only the prediction with the slice in the middle;
* ``stride3``: slabs side by side, each slice predicted once (three times faster; for a preview).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Mode = Literal["averaged", "centre", "stride3"]
WIDTH = 3


def slab_centres(depth: int, mode: Mode = "averaged") -> NDArray[np.intp]:
    """The middle slices of the slabs that a network must predict, in ascending order.

    Args:
        depth: number of slices of the volume.
        mode: how the predictions will be assembled.
    """
    if depth < 1:
        raise ValueError(f"a volume of {depth} slices has no slabs")
    if mode != "stride3":
        return np.arange(depth)
    side_by_side = np.arange(1, depth, WIDTH)
    return side_by_side if depth % WIDTH != 1 else np.append(side_by_side, depth - 1)


def slabs(volume: NDArray[Any], index: Sequence[int] | NDArray[np.intp], width: int = WIDTH) -> NDArray[Any]:
    """The slabs around some slices, a batch for the network.

    Args:
        volume: (slice, row, column).
        index: middle slices.
        width: slices in a slab, odd. Beyond the volume the outermost slice is repeated.

    Returns:
        (len(index), width, row, column), a copy, same type.
    """
    if width % 2 != 1 or width < 1:
        raise ValueError(f"a slab has an odd number of slices, not {width}")
    reach = np.arange(width) - width // 2
    return np.asarray(volume[np.clip(np.asarray(index, dtype=np.intp)[:, None] + reach, 0, len(volume) - 1)])


def assemble(
    batches: Iterable[NDArray[Any]],
    depth: int,
    mode: Mode = "averaged",
    weights: tuple[float, float, float] = (0.25, 0.5, 0.25),
) -> NDArray[np.float32]:
    """Predictions back to a volume, as they come.

    The mean is kept up to date prediction by prediction, so no sum needs dividing in the end: predictions that agree
    give exactly their value, and the only memory is the volume itself.

    Args:
        batches: predictions (batch, 3, row, column) of the slabs around ``slab_centres(depth, mode)``, in that order.
        depth: number of slices of the volume.
        mode: as for :func:`slab_centres`.
        weights: of the previous, the middle and the next slice in a slab, for ``averaged``.

    Returns:
        (depth, row, column) float32.

    Raises:
        ValueError: too few or too many predictions, or not three slices in each.
    """
    centres = slab_centres(depth, mode)
    shares = {"averaged": weights, "centre": (0.0, 1.0, 0.0), "stride3": (1.0, 1.0, 1.0)}[mode]
    volume: NDArray[np.float32] = np.zeros((0, 0, 0), np.float32)
    total, done = np.zeros(depth), 0
    for batch in batches:
        if batch.ndim != 4 or batch.shape[1] != WIDTH:
            raise ValueError(f"predictions must have shape (batch, {WIDTH}, row, column), not {batch.shape}")
        if done + len(batch) > len(centres):
            raise ValueError(f"more predictions than the {len(centres)} slabs of {depth} slices ({mode})")
        if not done:
            volume = np.zeros((depth, *batch.shape[2:]), np.float32)
        for centre, slab in zip(centres[done:], batch, strict=False):
            _take_in(volume, total, int(centre), slab, shares)
        done += len(batch)
    if done != len(centres):
        raise ValueError(f"{done} predictions for the {len(centres)} slabs of {depth} slices ({mode})")
    return volume


def _take_in(
    volume: NDArray[np.float32],
    total: NDArray[np.float64],
    centre: int,
    slab: NDArray[Any],
    shares: tuple[float, float, float],
) -> None:
    for offset, share in zip((-1, 0, 1), shares, strict=True):
        place = centre + offset
        if share > 0 and 0 <= place < len(volume):
            total[place] += share
            volume[place] += np.float32(share / total[place]) * (slab[offset + 1] - volume[place])
