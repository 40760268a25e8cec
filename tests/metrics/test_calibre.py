"""Radii of straight tubes, whose calibre is known; artery and vein apart."""

from __future__ import annotations

import numpy as np
import pytest
from highdicom import Volume

from pulmomap.metrics.calibre import wide_vessels
from pulmomap.metrics.vessel import centre_lines


def tubes(radius: float, spacing: tuple[float, float, float]) -> Volume:
    """An artery of the radius along the slices, and a vein of 0.8 mm beside it."""
    shape = tuple(int(side / step) for side, step in zip((30, 40, 60), spacing, strict=True))
    _, y, x = (np.arange(size) * step for size, step in zip(shape, spacing, strict=True))
    plane = np.zeros(shape[1:], np.uint8)
    plane[np.hypot(y[:, None] - 20, x - 15) <= radius] = 1
    plane[np.hypot(y[:, None] - 20, x - 45) <= 0.8] = 2
    labels = np.broadcast_to(plane, shape).copy()
    labels[:2] = labels[-2:] = 0
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *spacing, 1
    return Volume(labels, affine, "PATIENT")


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 0.5, 0.5)])
@pytest.mark.parametrize(("radius", "wide"), [(1.1, False), (2.2, True), (4.0, True)])
def test_only_wide_tubes_are_wide(radius: float, wide: bool, spacing: tuple[float, float, float]) -> None:
    labels = tubes(radius, spacing)
    found = wide_vessels(labels, centre_lines(labels), 1.5)
    artery = np.asarray(labels.array) == 1
    middle = artery.copy()
    middle[:6] = middle[-6:] = False  # a tube's end is narrow in itself
    assert found[middle].mean() == pytest.approx(1.0 if wide else 0.0, abs=0.02)
    assert not found[~artery].any()


def test_nothing_is_wide_where_there_is_nothing() -> None:
    labels = tubes(0.0, (1.0, 1.0, 1.0)).with_array(np.zeros((30, 40, 60), np.uint8))
    assert not wide_vessels(labels, centre_lines(labels), 1.5).any()
