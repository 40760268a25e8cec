"""Resampling against world positions, an independent interpolator, and all 48 axis layouts."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from highdicom import Volume, VolumeGeometry
from highdicom.spatial import get_closest_patient_orientation
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from pulmomap.imaging.resampling import canonical, resample_image, resample_labels, to_grid

FRAME = "1.2.826.0.1.3680043.8.498.1"
LAYOUTS = [(order, flips) for order in permutations(range(3)) for flips in product((1, -1), repeat=3)]
CANONICAL = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], dtype=float)  # columns: z+, y+, x+

layouts = st.sampled_from(LAYOUTS)
spacings = st.tuples(*[st.floats(0.5, 4.0)] * 3)
turns = st.tuples(*[st.floats(-20.0, 20.0)] * 3)
seeds = st.integers(0, 2**32 - 1)


def affine_of(
    spacing: tuple[float, ...], turn: tuple[float, ...] = (0, 0, 0), position: tuple[float, ...] = (-40.0, 17.5, 300.25)
) -> NDArray[np.float64]:
    """A canonical affine, turned by Euler angles in degrees."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix() @ CANONICAL * spacing
    affine[:3, 3] = position
    return affine


def world(volume: Volume | VolumeGeometry) -> NDArray[np.float64]:
    """LPS of every voxel centre, shape (..., 3), from the affine alone."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in volume.spatial_shape], indexing="ij"), axis=-1)
    return index @ volume.affine[:3, :3].T + volume.affine[:3, 3]


def lay(volume: Volume, layout: tuple[tuple[int, ...], tuple[int, ...]]) -> Volume:
    """The same volume stored in another axis order and direction, made with NumPy only."""
    order, flips = layout
    affine = volume.affine[:, [*order, 3]].copy()
    array = volume.array.transpose(order)
    for axis, sign in enumerate(flips):
        if sign < 0:
            affine[:, 3] += affine[:, axis] * (array.shape[axis] - 1)
            affine[:, axis] *= -1
            array = np.flip(array, axis)
    return Volume(array, affine, "PATIENT", FRAME)


def noise(affine: NDArray[np.float64], seed: int, shape: tuple[int, ...] = (7, 9, 8)) -> Volume:
    values = np.random.default_rng(seed).integers(-1000, 1000, shape).astype(np.float32)
    return Volume(values, affine, "PATIENT", FRAME)


def source_index(volume: Volume, grid: Volume | VolumeGeometry) -> NDArray[np.float64]:
    return (world(grid) - volume.affine[:3, 3]) @ np.linalg.inv(volume.affine[:3, :3]).T


def between_centres(index: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = ((index >= 0) & (index <= np.array(shape) - 1)).all(axis=-1)
    return inside


@pytest.mark.parametrize("layout", LAYOUTS)
def test_canonical_undoes_every_layout(layout: Any) -> None:
    volume = noise(affine_of((2.5, 0.7, 0.9), (3.0, -7.0, 11.0)), 1)
    back = canonical(lay(volume, layout))
    np.testing.assert_array_equal(back.array, volume.array)
    np.testing.assert_allclose(back.affine, volume.affine, atol=1e-9)
    assert back.frame_of_reference_uid == FRAME


@given(layouts, spacings, turns)
def test_canonical_is_the_closest_hpl(layout: Any, spacing: Any, turn: Any) -> None:
    back = canonical(lay(noise(affine_of(spacing, turn), 0), layout))
    assert "".join(code.value for code in get_closest_patient_orientation(back.affine)) == "HPL"


def test_a_slide_has_no_patient_orientation() -> None:
    with pytest.raises(ValueError, match="SLIDE"):
        canonical(Volume(np.zeros((2, 2, 2)), np.eye(4), "SLIDE"))


@settings(deadline=None, max_examples=60)
@given(layouts, spacings, spacings, turns, st.booleans())
def test_a_ramp_in_the_patient_is_the_same_ramp_on_the_new_grid(
    layout: Any, old: Any, new: Any, turn: Any, antialias: bool
) -> None:
    """Trilinear interpolation reproduces affine functions: this ties every voxel to its world position."""
    volume = noise(affine_of(old, turn), 0, (13, 12, 14))
    slope = np.array([1.5, -2.0, 0.75])
    volume = lay(volume.with_array(world(volume) @ slope), layout)
    grid = to_grid(volume, new, antialias=antialias)
    reach = np.maximum(0, np.array(grid.spacing) / canonical(volume).spacing) / 2 if antialias else np.zeros(3)
    index = source_index(canonical(volume), grid)
    sure = ((index >= reach) & (index <= np.array(canonical(volume).spatial_shape) - 1 - reach)).all(axis=-1)
    np.testing.assert_allclose(grid.array[sure], (world(grid) @ slope)[sure], atol=2e-3)


@settings(deadline=None, max_examples=40)
@given(layouts, spacings, spacings, turns)
def test_the_grid_covers_the_field_of_view_and_no_centre_leaves_it(layout: Any, old: Any, new: Any, turn: Any) -> None:
    volume = lay(noise(affine_of(old, turn), 0), layout)
    grid = to_grid(volume, new)
    np.testing.assert_allclose(grid.spacing, new)
    np.testing.assert_allclose(grid.direction, canonical(volume).direction, atol=1e-9)
    np.testing.assert_allclose(grid.center_position, volume.center_position, atol=1e-6)
    old_extent = np.array(canonical(volume).spatial_shape) * canonical(volume).spacing
    new_extent = np.array(grid.spatial_shape) * grid.spacing
    assert (new_extent >= old_extent - 1e-4).all()
    assert (new_extent < old_extent + np.array(new) - 1e-6).all()
    assert (grid.array >= -1000).all()


@settings(deadline=None, max_examples=40)
@given(layouts, layouts, spacings, spacings, turns, turns, seeds)
def test_trilinear_agrees_with_an_independent_interpolator(
    one: Any, two: Any, old: Any, new: Any, turn: Any, other_turn: Any, seed: int
) -> None:
    volume = lay(noise(affine_of(old, turn), seed), one)
    for grid_turn in (turn, other_turn):  # parallel axes, and turned against each other
        grid = lay(noise(affine_of(new, grid_turn), 0, (6, 7, 5)), two)
        moved = resample_image(volume, grid, fill=-3000.0)
        index = source_index(volume, grid)
        expected = map_coordinates(volume.array.astype(float), np.moveaxis(index, -1, 0), order=1, mode="nearest")
        shape = np.array(volume.spatial_shape)
        inside = ((index > -0.499) & (index < shape - 0.501)).all(axis=-1)
        outside = ((index < -0.501) | (index > shape - 0.499)).any(axis=-1)
        np.testing.assert_allclose(moved.array[inside], expected[inside], atol=0.1)
        np.testing.assert_array_equal(moved.array[outside], -3000.0)
        np.testing.assert_array_equal(moved.affine, grid.affine)
        assert moved.array.dtype == np.float32


@settings(deadline=None, max_examples=40)
@given(layouts, layouts, spacings, spacings, turns, turns, seeds)
def test_labels_are_those_of_the_nearest_voxel(
    one: Any, two: Any, old: Any, new: Any, turn: Any, other_turn: Any, seed: int
) -> None:
    volume = noise(affine_of(old, turn), seed)
    volume = lay(volume.with_array((volume.array > 0).astype(np.uint8) * 2), one)
    for grid_turn in (turn, other_turn):
        grid = lay(noise(affine_of(new, grid_turn), 0, (6, 7, 5)), two)
        moved = resample_labels(volume, grid)
        index = source_index(volume, grid)
        clear = (np.abs(index - np.floor(index) - 0.5) > 1e-3).all(axis=-1)  # not halfway between two voxels
        nearest = np.rint(index).astype(int)
        inside = ((nearest >= 0) & (nearest < volume.spatial_shape)).all(axis=-1)
        held = np.clip(nearest, 0, np.array(volume.spatial_shape) - 1)
        expected = np.where(inside, volume.array[tuple(np.moveaxis(held, -1, 0))], 0)
        np.testing.assert_array_equal(moved.array[clear], expected[clear])
        assert moved.array.dtype == np.uint8


@pytest.mark.parametrize("layout", LAYOUTS)
def test_equal_geometries_keep_every_voxel(layout: Any) -> None:
    volume = noise(affine_of((1.25, 0.703125, 0.703125), (5.0, 2.0, -3.0)), 3)
    stored = lay(volume, layout)
    np.testing.assert_array_equal(to_grid(stored, volume.spacing).array, volume.array)
    np.testing.assert_array_equal(resample_image(stored, volume).array, volume.array)
    np.testing.assert_array_equal(resample_image(volume, stored).array, stored.array)
    np.testing.assert_array_equal(resample_labels(stored.astype(np.int16), volume).array, volume.array)


@settings(deadline=None, max_examples=40)
@given(layouts, st.tuples(*[st.floats(1.5, 4.0)] * 3), st.tuples(*[st.floats(1.5, 4.0)] * 3), turns)
def test_a_blob_stays_where_it_is(layout: Any, old: Any, new: Any, turn: Any) -> None:
    """There and back, the centroid in the patient moves by less than a twentieth of a voxel."""
    shape = tuple(int(80 / step) for step in old)
    volume = noise(affine_of(old, turn), 0, shape)
    centre = np.array(volume.center_position) + np.array([3.1, -2.7, 1.9])
    blob = 1000 * np.exp(-((world(volume) - centre) ** 2).sum(axis=-1) / (2 * 8.0**2))
    volume = lay(volume.with_array(blob), layout)
    there = to_grid(volume, new)
    back = resample_image(there, volume, fill=0.0)
    before = (world(volume) * volume.array[..., None]).sum(axis=(0, 1, 2)) / volume.array.sum()
    for after in (there, back):
        centroid = (world(after) * after.array[..., None].astype(float)).sum(axis=(0, 1, 2)) / after.array.sum()
        assert np.abs(centroid - before).max() < 0.05 * max(*old, *new)


@given(layouts, spacings, spacings, turns, st.booleans())
@settings(deadline=None, max_examples=40)
def test_a_constant_stays_constant(layout: Any, old: Any, new: Any, turn: Any, antialias: bool) -> None:
    volume = noise(affine_of(old, turn), 0)
    volume = lay(volume.with_array(np.full(volume.spatial_shape, 37, np.int16)), layout)
    np.testing.assert_allclose(to_grid(volume, new, antialias=antialias).array, 37, atol=1e-4)


@pytest.mark.parametrize("step", [1.2, 2.0, 2.5, 3.7])
def test_antialiasing_is_the_mean_over_the_new_voxel(step: float) -> None:
    signal = np.random.default_rng(5).normal(0, 100, 40)
    volume = Volume(np.broadcast_to(signal, (2, 2, 40)), affine_of((1, 1, 1)), "PATIENT", FRAME)
    grid = to_grid(volume, (1, 1, step), antialias=True)
    centres = source_index(volume, grid)[0, 0, :, 2]
    dense = centres[:, None] + (np.arange(2000) + 0.5) / 2000 * step - step / 2
    expected = np.interp(dense, np.arange(40), signal).mean(axis=1)
    np.testing.assert_allclose(grid.array[0, 0], expected, atol=0.05)


@pytest.mark.parametrize("resample", [resample_image, resample_labels])
def test_another_frame_of_reference_is_an_error_that_names_both(resample: Any) -> None:
    volume = noise(affine_of((1, 1, 1)), 0).astype(np.int16)
    other = Volume(volume.array, volume.affine, "PATIENT", FRAME + ".7")
    with pytest.raises(ValueError, match=rf"{FRAME} to {FRAME}\.7"):
        resample(volume, other)
    unknown = Volume(volume.array, volume.affine, "PATIENT")
    np.testing.assert_array_equal(resample(volume, unknown).array, volume.array)


def test_spacing_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        to_grid(noise(affine_of((1, 1, 1)), 0), (1.0, 0.0, 1.0))
