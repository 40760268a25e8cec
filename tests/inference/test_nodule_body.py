"""A nodule is no vessel; what runs into it is."""

from __future__ import annotations

import numpy as np
import pytest
from highdicom import Volume

from pulmomap.inference.cleaning import nodule_body

LUNG, TISSUE = -850.0, 40.0
Point = tuple[float, float, float]


def scan(spacing: Point, shape: tuple[int, int, int] = (48, 48, 48)) -> Volume:
    affine = np.array(
        [[0, 0, spacing[2], -30.0], [0, -spacing[1], 0, 25.0], [spacing[0], 0, 0, -700.0], [0, 0, 0, 1.0]]
    )
    return Volume(np.full(shape, LUNG, np.float32), affine, "PATIENT")


def places(volume: Volume) -> np.ndarray:
    """LPS mm of every voxel, (z, y, x, 3)."""
    index = np.moveaxis(np.indices(volume.spatial_shape), 0, -1)
    return index @ volume.affine[:3, :3].T + volume.affine[:3, 3]


def middle_of(volume: Volume) -> Point:
    x, y, z = (volume.affine @ [*(np.array(volume.spatial_shape) / 2 + 0.3), 1.0])[:3]
    return float(x), float(y), float(z)


def away(volume: Volume, point: np.ndarray, along: np.ndarray | None = None) -> np.ndarray:
    """Distance of every voxel to a point, or to the line through it, mm."""
    offset = places(volume) - point
    if along is not None:
        offset = offset - (offset @ along)[..., None] * along
    return np.linalg.norm(offset, axis=-1)


def whole(volume: Volume, centre: Point, diameter: float) -> np.ndarray:
    """The body on the whole grid."""
    body = nodule_body(volume, centre, diameter)
    result = np.zeros(volume.spatial_shape, bool)
    result[body.box] = body.inside
    return result


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.25, 0.7, 0.7), (2.5, 0.8, 0.8)])
@pytest.mark.parametrize("diameter", [8.0, 15.0, 24.0])
def test_a_solid_nodule_is_found_whole(spacing: Point, diameter: float) -> None:
    volume = scan(spacing)
    centre = middle_of(volume)
    truth = away(volume, np.array(centre)) <= diameter / 2
    volume.array[truth] = TISSUE
    body = whole(volume, centre, diameter)
    assert not (body & ~truth).any()
    assert body.sum() > 0.9 * truth.sum()


def test_a_vessel_that_enters_a_nodule_stays_outside_it() -> None:
    volume = scan((1.0, 0.8, 0.8))
    centre = middle_of(volume)
    ball = away(volume, np.array(centre)) <= 7.0
    vessel = away(volume, np.array(centre), np.array([0.6, 0.0, 0.8])) <= 1.8
    volume.array[ball | vessel] = TISSUE
    # The reader drew a circle of 20 mm around a nodule of 14 mm: its rim holds nothing but the vessel.
    body = whole(volume, centre, 20.0)
    assert (body & ball).sum() > 0.9 * ball.sum()
    outside = vessel & (away(volume, np.array(centre)) > 7.0 + 5.0 / 2)
    assert not (body & outside).any()


def test_ground_glass_has_no_body_and_its_vessels_stay() -> None:
    volume = scan((1.0, 1.0, 1.0))
    centre = middle_of(volume)
    volume.array[away(volume, np.array(centre)) <= 8.0] = -600.0
    volume.array[away(volume, np.array(centre), np.array([1.0, 0.0, 0.0])) <= 2.0] = TISSUE
    assert not whole(volume, centre, 16.0).any()


@pytest.mark.parametrize("corner", [(0, 0, 0), (47, 47, 47), (-30, 20, 20)])
def test_a_nodule_at_or_beyond_the_end_of_the_scan(corner: Point) -> None:
    volume = scan((1.0, 1.0, 1.0))
    x, y, z = (volume.affine @ [*corner, 1.0])[:3]
    volume.array[...] = TISSUE
    body = whole(volume, (float(x), float(y), float(z)), 10.0)
    sphere = away(volume, np.array([x, y, z])) <= 5.0
    assert np.array_equal(body, sphere)
