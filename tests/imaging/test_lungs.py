"""The lung mask on bodies whose lungs are known, in any layout, and on real CT."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from highdicom import Volume
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pulmomap.imaging.lungs import lung_box, lung_mask

Draw = Callable[..., Any]


def dice(one: NDArray[Any], two: NDArray[Any]) -> float:
    return float(2 * (one & two).sum() / (one.sum() + two.sum()))


def test_lungs_are_found_where_they_were_drawn(body: Draw) -> None:
    chest = body()
    lungs = lung_mask(chest.volume())
    assert lungs.mask.array.dtype == np.uint8
    assert dice(lungs.mask.array > 0, chest.truth(0) | chest.truth(1)) > 0.97
    for lung, truth in ((lungs.right, chest.truth(0)), (lungs.left, chest.truth(1))):
        assert lung is not None
        assert lung.volume == pytest.approx(truth.sum() * 4.0**3 / 1000, rel=0.05)
        assert lung.lowest_slice == lung.highest_slice == 0


def test_vessels_and_nodules_are_filled_and_the_airway_is_left_out(body: Draw) -> None:
    nodule = ((-90.0, 20.0, 10.0), (15.0, 15.0, 15.0))
    at_the_wall = ((134.5, 0.0, 0.0), (5.0, 5.0, 5.0))
    chest = body(spacing=2.5, extra=((nodule, 30.0), (at_the_wall, 30.0)))
    mask = lung_mask(chest.volume()).mask.array > 0
    assert mask[chest.within(nodule)].all()
    assert mask[chest.within(at_the_wall) & chest.truth(1)].mean() > 0.85
    x, y, z = chest.grid
    assert mask[(np.hypot(x + 12, y - 20) < 9) & (z > 45)].mean() < 0.01


@pytest.mark.parametrize("turn", [((0, 1, 2), (1, 1, -1)), ((1, 2, 0), (-1, -1, -1))])
def test_right_is_the_patients_right_in_any_layout(body: Draw, turn: Any) -> None:
    volume = body().volume()
    straight = lung_mask(volume)
    turned = volume.permute_spatial_axes(turn[0]).flip_spatial([k for k in range(3) if turn[1][k] < 0])
    found = lung_mask(turned)
    assert found.right == straight.right
    assert found.left == straight.left
    assert straight.right is not None
    assert straight.left is not None
    assert straight.right.volume < straight.left.volume
    np.testing.assert_array_equal(found.mask.match_orientation(straight.mask).array, straight.mask.array)
    np.testing.assert_allclose(found.mask.affine, turned.affine)
    columns = np.argwhere(straight.sides.array == 1) @ straight.sides.affine[:3, :3].T + straight.sides.affine[:3, 3]
    assert columns[:, 0].max() < 0


def test_touching_lungs_are_parted(body: Draw) -> None:
    """An anterior junction wide open over 60 mm."""
    apart = lung_mask(body().volume())
    touching = lung_mask(body(extra=((((0.0, -68.0, 30.0), (60.0, 7.0, 30.0)), -850.0),)).volume())
    assert apart.right is not None
    assert apart.left is not None
    assert touching.right is not None
    assert touching.left is not None
    assert touching.right.volume == pytest.approx(apart.right.volume, rel=0.06)
    assert touching.left.volume == pytest.approx(apart.left.volume, rel=0.06)


@pytest.mark.parametrize("hu", [-930.0, -700.0])
def test_emphysema_and_dense_lungs(body: Draw, hu: float) -> None:
    chest = body(lung_hu=hu)
    assert dice(lung_mask(chest.volume()).mask.array > 0, chest.truth(0) | chest.truth(1)) > 0.96


def test_effusion_and_a_hilar_mass_leave_two_lungs(body: Draw) -> None:
    effusion = ((-85.0, 60.0, -60.0), (80.0, 60.0, 80.0))
    mass = ((-55.0, 0.0, 30.0), (30.0, 30.0, 30.0))
    chest = body(extra=((effusion, 15.0), (mass, 40.0)))
    lungs = lung_mask(chest.volume())
    assert lungs.right is not None
    aerated = chest.truth(0) & ~chest.within(effusion) & ~chest.within(mass)
    assert lungs.right.volume == pytest.approx(aerated.sum() * 4.0**3 / 1000, rel=0.12)


@pytest.mark.parametrize(("end", "flip"), [("lowest_slice", True), ("highest_slice", False)])
def test_a_cut_lung_shows_its_cross_section(body: Draw, end: str, flip: bool) -> None:
    chest = body()
    volume = chest.volume()
    middle = len(volume.array) // 2 + 4
    half = volume[middle:] if end == "lowest_slice" else volume[:middle]
    lungs = lung_mask(half.flip_spatial(0) if flip else half)
    other = "lowest_slice" if end == "highest_slice" else "highest_slice"
    assert lungs.left is not None
    section = chest.truth(1)[middle if end == "lowest_slice" else middle - 1].sum() * 4.0**2 / 100
    assert getattr(lungs.left, end) == pytest.approx(section, rel=0.05)
    assert getattr(lungs.left, other) == 0


def test_coverage_beyond_the_lungs(body: Draw) -> None:
    left = lung_mask(body().volume()).left
    assert left is not None
    assert left.below == pytest.approx(150 - 125, abs=5)
    assert left.above == pytest.approx(150 - 125, abs=5)


@pytest.mark.parametrize("lungs", [(), ((((-85.0, 0.0, 0.0), (50.0, 80.0, 120.0))),)])
def test_without_two_lungs_the_mask_is_empty(body: Draw, lungs: Any) -> None:
    found = lung_mask(body(lungs=lungs, airway=False).volume())
    assert found.right is None
    assert found.left is None
    assert not found.mask.array.any()


@settings(deadline=None)
@given(st.floats(0, 30), st.integers(0, 2**32 - 1), st.tuples(*[st.floats(0.5, 5)] * 3))
def test_the_box_holds_everything_within_its_margin(margin: float, seed: int, spacing: Any) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((9, 11, 10), np.uint8)
    mask[tuple(rng.integers(0, mask.shape, (3, 3)).T)] = 1
    affine = np.diag([*spacing, 1.0])
    box = lung_box(Volume(mask, affine, "PATIENT"), margin)
    where = np.argwhere(mask)
    for axis, index in product(range(3), range(11)):
        if index < mask.shape[axis]:
            distance = max(where[:, axis].min() - index, index - where[:, axis].max(), 0)
            nearest = min(max(distance - 1, 0), distance) * spacing[axis]
            if distance * spacing[axis] <= margin - 1e-5:
                assert box[axis].start <= index < box[axis].stop
            elif nearest > margin:
                assert not box[axis].start <= index < box[axis].stop


def test_an_empty_mask_has_no_box() -> None:
    with pytest.raises(ValueError, match="empty"):
        lung_box(Volume(np.zeros((3, 3, 3), np.uint8), np.eye(4), "PATIENT"), 5.0)


def test_real_lungs_beside_a_hilar_mass_with_collapse(real_data: Path) -> None:
    """LIDC-IDRI-0314: a nodule beside the right hilum; the right lung has lost about half of its volume."""
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(real_data / "lidc-0314-ncct")))
    volume = Volume.from_simpleitk(reader.Execute())
    lungs = lung_mask(volume)
    assert lungs.right is not None
    assert lungs.left is not None
    assert 800 < lungs.right.volume < 1100
    assert 1800 < lungs.left.volume < 2100
    assert lungs.right.lowest_slice == lungs.left.highest_slice == 0
    world = np.argwhere(lungs.sides.array == 1) @ lungs.sides.affine[:3, :3].T + lungs.sides.affine[:3, 3]
    assert np.linalg.norm(world - (-57.4, 131.2, -520.4), axis=1).min() < 12  # mm: the nodule lies at this lung
