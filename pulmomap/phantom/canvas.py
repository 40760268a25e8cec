"""The tissue of every voxel: HU without contrast, and what the contrast adds."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from pulmomap.phantom.fields import STEP, Coarse, Field, Grid, Lens

Box = tuple[slice, slice, slice]


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
        fine = self.lens.onto_voxels(distance, box)
        fine *= np.float32(-1.0 / (self._voxel * softness))
        fine += np.float32(0.5)
        return np.asarray(np.clip(fine, 0.0, 1.0, out=fine))

    def shape(
        self, distance: Field, plain: float | Field, gain: float = 0.0, softness: float = 1.0
    ) -> tuple[Box, Field] | None:
        """Paint a shape; returns the box that it touched and its share of each voxel there."""
        box = self.lens.voxel_box(distance < 2 * STEP + softness * self._voxel)
        if box is None:
            return None
        share = self.share(distance, box, softness)
        self._blend(box, share, plain[box] if isinstance(plain, np.ndarray) else plain, gain)
        return box, share

    def inside(self, distance: Field) -> tuple[Box, NDArray[np.bool_]] | None:
        """The voxels inside a shape, and the box that holds them; None where it is out of view."""
        box = self.lens.voxel_box(distance < STEP)
        return None if box is None else (box, self.share(distance, box) > 0.5)

    def voxels(self, share: NDArray[np.float32], plain: float, gain: float, box: Box | None = None) -> None:
        """Paint a given share of each voxel (of a box)."""
        self._blend(box or (slice(None),) * 3, share, plain, gain)

    def _blend(self, box: Box, share: NDArray[np.float32], plain: float | Field, gain: float) -> None:
        weight = torch.from_numpy(share)
        torch.from_numpy(self.plain[box]).lerp_(torch.as_tensor(plain, dtype=torch.float32), weight)
        torch.from_numpy(self.gain[box]).lerp_(torch.tensor(gain, dtype=torch.float32), weight)
