"""Perinodular measurements against written oracles and an independent brute-force implementation."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import cc3d
import highdicom as hd
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.spatial.transform import Rotation

from pulmomap.case import Measurements, ModelIdentity, Ncct, Nodule, SelectedSeries, SynCect, Vessel, VesselMap
from pulmomap.metrics.perinodular import CONNECTIVITY, PerinodularSettings, measure

MODEL = ModelIdentity("m", "0", "0" * 64, "nothing")
Array = npt.NDArray[Any]


def vessel_map(labels: Array, affine: Array, *centres: tuple[float, float, float]) -> VesselMap:
    volume = hd.Volume(labels.astype(np.uint8), affine, "PATIENT")
    series = SelectedSeries("0" * 16, "1.2", "1.3", "1.4", (), (Path(),))
    nodules = tuple(
        Nodule(f"Nodule {n}", centre, None, "settings", f"2.25.{n}") for n, centre in enumerate(centres, start=1)
    )
    ncct = Ncct(series, volume.astype(np.float32), volume, nodules)
    return VesselMap(SynCect(ncct, volume.astype(np.int16), MODEL), volume, MODEL)


def isotropic(spacing: float = 1.0) -> Array:
    return np.diag([spacing, spacing, spacing, 1.0])


def test_sphere_of_50_mm_holds_65267_voxels_of_1_mm() -> None:
    """Also off the origin, where the affine's rounding must not drop the voxels exactly on the sphere."""
    affine = isotropic()
    affine[:3, 3] = [-57.4, 131.2, -520.4]
    centre = affine @ [30, 30, 30, 1]
    around = measure(vessel_map(np.ones((61, 61, 61)), affine, tuple(centre[:3]))).nodules[0]
    assert around.roi_diameter == 50.0
    assert around.artery.volume == pytest.approx(65_267, abs=1e-6)
    assert around.artery.fragments == 1
    assert around.vein.volume == 0.0


def test_corner_centred_sphere_holds_65752_voxels() -> None:
    around = measure(vessel_map(np.ones((60, 60, 60)), isotropic(), (29.5, 29.5, 29.5))).nodules[0]
    assert around.artery.volume == pytest.approx(65_752)


def test_touching_by_a_corner_is_one_fragment() -> None:
    labels = np.zeros((5, 5, 5))
    labels[1, 1, 1] = labels[2, 2, 2] = Vessel.VEIN
    around = measure(vessel_map(labels, isotropic(), (2, 2, 2))).nodules[0]
    assert (around.vein.fragments, around.vein.volume) == (1, 2.0)
    assert around.vein.frag_index == pytest.approx(500.0)


@pytest.mark.parametrize(("other", "counts"), [((2, 2, 2), (2, 2, 1)), ((1, 2, 2), (2, 1, 1)), ((1, 1, 3), (2, 2, 2))])
def test_connectivity_is_26(other: tuple[int, int, int], counts: tuple[int, int, int]) -> None:
    """Two voxels that touch by a corner, by an edge, or not: parts of 6, 18 and 26 neighbours, and ours is the last."""
    labels = np.zeros((5, 5, 5), np.uint8)
    labels[1, 1, 1] = labels[other] = Vessel.ARTERY
    assert tuple(int(cc3d.connected_components(labels, connectivity=n).max()) for n in (6, 18, 26)) == counts
    around = measure(vessel_map(labels, isotropic(), (2, 2, 2))).nodules[0]
    assert (CONNECTIVITY, around.artery.fragments) == (26, counts[2])


def test_row_of_single_voxels() -> None:
    """Every second voxel of a single row: the most fragments a grid can hold."""
    labels = np.array([[[1, 0, 1, 0, 1]]])
    assert measure(vessel_map(labels, isotropic(), (2, 0, 0))).nodules[0].artery.fragments == 3


def test_one_cubic_centimetre_has_frag_index_one() -> None:
    labels = np.zeros((30, 30, 30))
    labels[10:20, 10:20, 10:20] = Vessel.ARTERY
    around = measure(vessel_map(labels, isotropic(), (14, 14, 14))).nodules[0]
    assert around.artery.volume == pytest.approx(1000.0)
    assert around.artery.frag_index == pytest.approx(1.0)


def test_fragments_are_counted_after_cutting() -> None:
    """A U whose bottom lies outside the sphere is one vessel in the map and two fragments in the region."""
    labels = np.zeros((1, 60, 21))
    labels[0, :, 5] = labels[0, :, 15] = labels[0, 59, 5:16] = Vessel.ARTERY
    around = measure(vessel_map(labels, isotropic(), (0, 10, 10))).nodules[0]
    assert around.artery.fragments == 2


def test_absent_class_has_no_index_and_no_distance() -> None:
    labels = np.zeros((4, 4, 4))
    labels[0, 0, 0] = Vessel.ARTERY
    vein = measure(vessel_map(labels, isotropic(), (1, 1, 1))).nodules[0].vein
    assert (vein.volume, vein.fragments, vein.frag_index, vein.distance, vein.nearest) == (0.0, 0, None, None, None)


def test_nearest_is_sought_beyond_the_sphere() -> None:
    labels = np.zeros((3, 3, 200))
    labels[1, 1, 180] = Vessel.VEIN
    vein = measure(vessel_map(labels, isotropic(0.5), (0.5, 0.5, 5.0))).nodules[0].vein
    assert (vein.volume, vein.frag_index) == (0.0, None)
    assert vein.distance == pytest.approx(85.0)
    assert vein.nearest == pytest.approx((0.5, 0.5, 90.0))


def test_box_corner_does_not_hide_a_nearer_voxel() -> None:
    """Found first in a corner of the search box at 25 * 3^0.5 mm; the nearest lies just outside the box at 26 mm."""
    labels = np.zeros((81, 81, 81))
    labels[15, 15, 15] = labels[40, 40, 66] = Vessel.ARTERY
    artery = measure(vessel_map(labels, isotropic(), (40, 40, 40))).nodules[0].artery
    assert artery.distance == pytest.approx(26.0)
    assert artery.nearest == pytest.approx((40, 40, 66))


def test_no_nodule_no_measurement() -> None:
    vessels = vessel_map(np.ones((2, 2, 2)), isotropic())
    assert measure(vessels) == Measurements(vessels, ())


def test_nodule_far_outside_is_named() -> None:
    with pytest.raises(ValueError, match=r"50 mm sphere around Nodule 1 at LPS \(500\.0, 0\.0, 0\.0\) mm holds no"):
        measure(vessel_map(np.ones((4, 4, 4)), isotropic(), (500, 0, 0)))


@pytest.mark.parametrize("bad", [{"roi_diameter_mm": 0}, {"roi_diameter_mm": -1}, {"roi_diameter": 50}])
def test_settings_are_checked(bad: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        PerinodularSettings(**bad)


def test_measures_do_not_depend_on_the_storage_layout() -> None:
    rng = np.random.default_rng(5)
    labels = rng.choice(3, size=(9, 12, 14), p=[0.8, 0.1, 0.1])
    affine = np.array([[0, 0, 0.7, -40], [0, 0.9, 0, 30], [2.0, 0, 0, -500], [0, 0, 0, 1]])
    centre = (-36.0, 34.0, -492.0)
    settings_ = PerinodularSettings(roi_diameter_mm=8)
    volume = hd.Volume(labels.astype(np.uint8), affine, "PATIENT")
    reference = measure(vessel_map(labels, affine, centre), settings_).nodules[0]
    for axes in itertools.permutations(range(3)):
        for flips in itertools.product([False, True], repeat=3):
            other = volume.permute_spatial_axes(axes)
            other = other.flip_spatial([n for n in range(3) if flips[n]]) if any(flips) else other
            got = measure(vessel_map(other.array, other.affine, centre), settings_).nodules[0]
            for mine, theirs in ((got.artery, reference.artery), (got.vein, reference.vein)):
                assert mine.fragments == theirs.fragments
                assert mine.volume == pytest.approx(theirs.volume)
                assert mine.distance == pytest.approx(theirs.distance)
                assert mine.nearest == pytest.approx(theirs.nearest)


@st.composite
def random_case(draw: st.DrawFn) -> tuple[Array, Array, tuple[float, float, float], float]:
    """A small random grid with any rotation (or mirror), anisotropic spacing, and a centre inside or near it."""
    shape = draw(st.tuples(*[st.integers(1, 7)] * 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = rng.choice(3, size=shape, p=[0.6, 0.2, 0.2])
    direction = Rotation.from_rotvec(draw(st.tuples(*[st.floats(-3, 3)] * 3))).as_matrix()
    direction[:, 0] *= draw(st.sampled_from([-1, 1]))
    affine = np.eye(4)
    affine[:3, :3] = direction * draw(st.tuples(*[st.floats(0.4, 5)] * 3))
    affine[:3, 3] = draw(st.tuples(*[st.floats(-600, 600)] * 3))
    index = [draw(st.floats(-0.4, size - 0.6)) for size in shape]
    centre = affine[:3, :3] @ index + affine[:3, 3]
    return labels, affine, (centre[0], centre[1], centre[2]), draw(st.floats(5.1, 15))


def brute_force(
    labels: Array, affine: Array, centre: tuple[float, ...], radius: float, vessel: Vessel
) -> tuple[int, int, float]:
    """Voxels in the ball, fragments, nearest distance: plain loops, no shared code."""
    inside, nearest = set(), math.inf
    for index in itertools.product(*map(range, labels.shape)):
        if labels[index] != vessel:
            continue
        distance = math.dist((affine @ [*index, 1])[:3], centre)
        nearest = min(nearest, distance)
        if distance <= radius:
            inside.add(index)
    count, fragments, left = len(inside), 0, set(inside)
    while left:
        fragments += 1
        stack = [left.pop()]
        while stack:
            here = stack.pop()
            touching = {there for there in left if max(abs(a - b) for a, b in zip(here, there, strict=True)) == 1}
            left -= touching
            stack.extend(touching)
    return count, fragments, nearest


@settings(max_examples=100, deadline=None)
@given(random_case())
def test_agrees_with_brute_force(case: tuple[Array, Array, tuple[float, float, float], float]) -> None:
    labels, affine, centre, radius = case
    vessels = vessel_map(labels, affine, centre)
    around = measure(vessels, PerinodularSettings(roi_diameter_mm=2 * radius)).nodules[0]
    voxel = float(np.prod(np.linalg.norm(affine[:3, :3], axis=0)))
    for got in (around.artery, around.vein):
        count, fragments, nearest = brute_force(labels, affine, centre, radius, got.vessel)
        assert got.volume == pytest.approx(count * voxel)
        assert got.fragments == fragments
        assert got.frag_index == (pytest.approx(fragments / (count * voxel / 1000)) if count else None)
        if math.isinf(nearest):
            assert (got.distance, got.nearest) == (None, None)
        else:
            assert got.nearest is not None
            assert got.distance == pytest.approx(nearest)
            assert math.dist(got.nearest, centre) == pytest.approx(nearest, abs=1e-5)
