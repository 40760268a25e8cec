"""What is lost on the way to a coarser grid and back."""

from __future__ import annotations

import numpy as np
from highdicom import Volume

from benchmarks.grid_ceiling import coarse_grid, there_and_back


def tubes() -> Volume:
    """An artery of 8 voxels and a vein of one."""
    labels = np.zeros((24, 30, 36), np.uint8)
    labels[:, 3:11, 3:11], labels[:, 20, 20] = 1, 2
    return Volume(labels, np.diag([2.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]] @ np.diag([0.5, 1, 1, 1]), "PATIENT")


def test_the_same_grid_loses_nothing() -> None:
    volume = tubes()
    assert np.array_equal(there_and_back(volume, 1.0, 0.5), volume.array)


def test_a_coarser_grid_lies_where_the_scan_does() -> None:
    volume = tubes()
    grid = coarse_grid(volume, 1.5)
    assert grid.spatial_shape == (16, 20, 24)
    for corner in (-0.5, 1.0):
        theirs, ours = (
            (one.affine @ [*(np.array(one.spatial_shape) * max(corner, 0) - 0.5), 1])[:3] for one in (volume, grid)
        )
        np.testing.assert_allclose(theirs, ours, atol=1e-9)


def test_a_thin_vein_is_lost_by_a_large_share_and_kept_by_a_small_one() -> None:
    volume = tubes()
    kept, lost = (there_and_back(volume, 1.5, share) for share in (0.2, 0.8))
    assert not (lost == 2).any()
    assert (kept == 2)[volume.array == 2].mean() > 0.9
    assert (kept == 1)[volume.array == 1].mean() > 0.9
