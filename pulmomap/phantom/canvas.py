"""The tissue of every voxel: HU without contrast, and what the contrast adds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from pulmomap.phantom.fields import Box, Coarse, Field, Grid, Lens

CLEAR = 0.01  # mm beyond a shape's soft edge from where on nothing is computed


class Canvas:
    """Two volumes, painted from the outside in; a later shape covers an earlier one, with soft edges.

    Attributes:
        grid: the voxels. lens: the way of coarse fields onto them.
        plain: HU without contrast, (z, y, x).
        gain: HU that the contrast adds.
    """

    def __init__(self, coarse: Coarse, grid: Grid) -> None:
        self.grid, self.lens = grid, Lens(coarse, grid)
        self._voxel = float(grid.spacing.mean())
        self.plain = np.full(grid.shape, -1000.0, dtype=np.float32)
        self.gain = np.zeros(grid.shape, dtype=np.float32)

    def share(self, distance: Field, box: Box | None = None, softness: float = 1.0) -> Field:
        """The part of each voxel inside a coarse signed distance; the edge is ``softness`` voxels wide."""
        return self._share(self.lens.onto_voxels(distance, box), softness)

    def shape(self, distance: Field, plain: float | Field, gain: float = 0.0, softness: float = 1.0) -> None:
        """Paint a shape; ``plain`` is one HU, or those of the coarse cells."""
        for box, fine in self.lens.blocks(distance, 0.5 * softness * self._voxel + CLEAR):
            level = self.lens.onto_voxels(plain, box) if isinstance(plain, np.ndarray) else plain
            self._blend(box, self._share(fine, softness), level, gain)

    def inside(self, distance: Field) -> Iterator[tuple[Box, NDArray[np.bool_]]]:
        """The voxels inside a shape: boxes, and which of their voxels."""
        for box, fine in self.lens.blocks(distance, CLEAR):
            yield box, self._share(fine, 1.0) > 0.5

    def voxels(self, share: NDArray[np.float32], plain: float, gain: float, box: Box | None = None) -> None:
        """Paint a given share of each voxel (of a box)."""
        self._blend(box or (slice(None),) * 3, share, plain, gain)

    def _share(self, fine: Field, softness: float) -> Field:
        """In place."""
        fine *= np.float32(-1.0 / (self._voxel * softness))
        fine += np.float32(0.5)
        return np.asarray(np.clip(fine, 0.0, 1.0, out=fine))

    def _blend(self, box: Box, share: NDArray[np.float32], plain: float | Field, gain: float) -> None:
        weight = torch.from_numpy(share)
        torch.from_numpy(self.plain[box]).lerp_(torch.as_tensor(plain, dtype=torch.float32), weight)
        torch.from_numpy(self.gain[box]).lerp_(torch.tensor(gain, dtype=torch.float32), weight)
