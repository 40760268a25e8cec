"""Surface distances against written oracles, brute force, MONAI, medpy and surface-distance."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion, distance_transform_edt
from scipy.spatial.distance import cdist

from pulmomap.metrics.distance import SurfaceDistances, surface_distances
from pulmomap.metrics.outcome import Status
from pulmomap.metrics.region import Region

Mask = npt.NDArray[np.bool_]
UNIT = (1.0, 1.0, 1.0)
SPACING = (1.25, 0.7, 0.9)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Mask, Mask]:
    """Two masks from empty over sparse and clumped to full, on grids down to one voxel."""
    shape = draw(st.tuples(*[st.integers(1, 9)] * 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = st.sampled_from([0.0, 0.02, 0.3, 0.9, 1.0])
    return rng.random(shape) < draw(density), rng.random(shape) < draw(density)


spacings = st.tuples(*[st.floats(0.3, 5)] * 3)
numbers = st.integers(0, 2**32 - 1)


def brute_force(predicted: Mask, reference: Mask, spacing: tuple[float, ...], roi: Mask) -> tuple[Any, Any]:
    """All pairs of surface voxels, with scipy's erosion: no shared code."""
    surfaces = [mask & ~binary_erosion(mask, border_value=0) for mask in (predicted, reference)]
    whole = [np.argwhere(surface) * spacing for surface in surfaces]
    inside = [np.argwhere(surface & roi) * spacing for surface in surfaces]
    return cdist(inside[0], whole[1]).min(axis=1), cdist(inside[1], whole[0]).min(axis=1)


def assert_same(got: SurfaceDistances, expected: tuple[Any, Any]) -> None:
    np.testing.assert_allclose(got.to_reference, expected[0], rtol=1e-9)
    np.testing.assert_allclose(got.to_predicted, expected[1], rtol=1e-9)
    assert got.hd95().value == pytest.approx(max(np.percentile(one, 95) for one in expected), rel=1e-9)
    assert got.hd95(pooled=True).value == pytest.approx(np.percentile(np.concatenate(expected), 95), rel=1e-6)
    assert got.assd().value == pytest.approx(np.concatenate(expected).mean(), rel=1e-6)


def test_identical_masks() -> None:
    mask = np.random.default_rng(1).random((6, 7, 8)) < 0.4
    distances = surface_distances(mask, mask, SPACING)
    assert (distances.hd95().value, distances.hd95(pooled=True).value, distances.assd().value) == (0, 0, 0)


def test_wide_slab_shifted_by_one_slice() -> None:
    """One voxel of 1.25 mm. The rims, where the surfaces touch, are less than 5 % of the slab."""
    slab, shifted = np.zeros((2, 5, 200, 200), bool)
    slab[1], shifted[2] = True, True
    assert surface_distances(slab, shifted, (1.25, 1, 1)).hd95().value == pytest.approx(1.25)


def test_directions_differ_where_one_mask_has_an_outlier() -> None:
    """19 of 20 predicted voxels coincide with the reference; the directed percentiles are 0 and interpolated."""
    reference, predicted = np.zeros((2, 1, 1, 80), bool)
    reference[..., :20] = True
    predicted[..., :19] = predicted[..., 59] = True
    distances = surface_distances(predicted, reference, UNIT)
    forward = [0.0] * 19 + [40.0]
    backward = [0.0] * 19 + [1.0]
    assert distances.hd95().value == pytest.approx(np.percentile(forward, 95))
    assert distances.hd95(pooled=True).value == pytest.approx(np.percentile(forward + backward, 95))
    assert distances.assd().value == pytest.approx(41 / 40)


def test_border_of_the_image_is_surface() -> None:
    full = np.ones((5, 5, 5), bool)
    assert surface_distances(full, full, UNIT).to_reference.size == 5**3 - 3**3


@settings(max_examples=200, deadline=None)
@given(pairs(), spacings)
def test_agrees_with_brute_force(case: tuple[Mask, Mask], spacing: tuple[float, ...]) -> None:
    predicted, reference = case
    got = surface_distances(predicted, reference, spacing)
    empty = (not predicted.any(), not reference.any())
    status = {(True, True): Status.BOTH_EMPTY, (True, False): Status.PRED_EMPTY, (False, True): Status.REF_EMPTY}
    assert got.status is status.get(empty, Status.OK)
    if got.status is Status.OK:
        assert_same(got, brute_force(predicted, reference, spacing, np.ones_like(predicted)))
    else:
        assert {got.hd95().status, got.hd95(pooled=True).status, got.assd().status} == {got.status}


@settings(max_examples=200, deadline=None)
@given(numbers, st.sampled_from([0.001, 0.01, 0.2]), spacings)
def test_region_is_exact(seed: int, density: float, spacing: tuple[float, ...]) -> None:
    """Sparse masks, so that the nearest voxel often lies far outside the region, beyond the first margin."""
    rng = np.random.default_rng(seed)
    predicted, reference = rng.random((2, 14, 15, 16)) < density
    corner = rng.integers(0, 12, 3)
    roi = np.zeros(predicted.shape, bool)
    roi[tuple(slice(start, start + 4) for start in corner)] = rng.random() < 0.95
    predicted[tuple(corner)] = True
    reference[tuple(np.minimum(corner + 3, 13))] = True
    got = surface_distances(predicted, reference, spacing, Region.of(roi))
    assert (got.status is Status.ROI_EMPTY) == (not roi.any())
    if got.status is Status.OK:
        assert_same(got, brute_force(predicted, reference, spacing, roi))


def test_label_of_a_map_is_its_mask() -> None:
    rng = np.random.default_rng(2)
    predicted, reference = rng.integers(0, 3, (2, 9, 10, 11), dtype=np.uint8)
    region = Region.of(np.pad(np.ones((4, 4, 4)), ((2, 3), (3, 3), (1, 6))))
    for where in (None, region):
        got = surface_distances(predicted, reference, SPACING, where, label=2)
        wanted = surface_distances(predicted == 2, reference == 2, SPACING, where)
        np.testing.assert_array_equal(got.to_reference, wanted.to_reference)
        np.testing.assert_array_equal(got.to_predicted, wanted.to_predicted)


def test_nearest_surface_outside_the_region_counts() -> None:
    """In the region the prediction's voxel is 20 mm from the reference's, beyond the margin; outside it, 6 mm."""
    predicted, reference, roi = np.zeros((3, 1, 1, 60), bool)
    roi[..., 20:50] = True
    predicted[..., 20] = True
    reference[..., 40] = reference[..., 14] = True
    got = surface_distances(predicted, reference, UNIT, Region.of(roi))
    assert (got.to_reference.tolist(), got.to_predicted.tolist()) == ([6.0], [20.0])


def test_region_cuts_no_surface() -> None:
    """A region inside a thick body meets none of its surface; a larger one meets the body's own."""
    body = np.ones((9, 9, 9), bool)
    roi = np.zeros_like(body)
    roi[3:6, 3:6, 3:6] = True
    assert surface_distances(body, body, UNIT, Region.of(roi)).status is Status.BOTH_EMPTY
    roi[0] = True
    assert surface_distances(body, body, UNIT, Region.of(roi)).to_reference.size == 81


@settings(max_examples=60, deadline=None)
@given(pairs(), spacings, st.floats(0.2, 7))
def test_symmetry_translation_and_scale(case: tuple[Mask, Mask], spacing: tuple[float, ...], scale: float) -> None:
    predicted, reference = case
    assume(predicted.any() and reference.any())
    got = surface_distances(predicted, reference, spacing)
    swapped = surface_distances(reference, predicted, spacing)
    for pooled in (False, True):
        assert swapped.hd95(pooled) == got.hd95(pooled)
    padded = [np.pad(mask, ((3, 1), (0, 2), (4, 0))) for mask in (predicted, reference)]
    moved = surface_distances(padded[0], padded[1], spacing)
    np.testing.assert_allclose(moved.to_reference, got.to_reference, rtol=1e-6)
    scaled = surface_distances(predicted, reference, [scale * one for one in spacing])
    assert scaled.hd95().value == pytest.approx(scale * got.hd95().value, rel=1e-5)
    assert scaled.assd().value == pytest.approx(scale * got.assd().value, rel=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_monai(seed: int) -> None:
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance
    from torch import from_numpy

    predicted, reference = blobs(seed)
    pair = [from_numpy(mask[None, None]) for mask in (predicted, reference)]
    got = surface_distances(predicted, reference, SPACING)
    hd95 = compute_hausdorff_distance(*pair, include_background=True, percentile=95, spacing=SPACING)
    assd = compute_average_surface_distance(*pair, include_background=True, symmetric=True, spacing=SPACING)
    assert got.hd95().value == pytest.approx(hd95.item(), rel=1e-5)
    assert got.assd().value == pytest.approx(assd.item(), rel=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_medpy(seed: int) -> None:
    binary = pytest.importorskip("medpy.metric.binary", reason="an optional cross-check; medpy is not a requirement")
    predicted, reference = blobs(seed)
    got = surface_distances(predicted, reference, SPACING)
    assert got.hd95(pooled=True).value == pytest.approx(binary.hd95(predicted, reference, SPACING), rel=1e-5)
    assert got.assd().value == pytest.approx(binary.assd(predicted, reference, SPACING), rel=1e-5)


def test_stays_near_googles_surface_elements() -> None:
    """surface-distance measures between elements of the surface mesh, so the two agree within a voxel only."""
    library = pytest.importorskip("surface_distance", reason="an optional cross-check; it is not a requirement")
    predicted, reference = blobs(3)
    theirs = library.compute_surface_distances(reference, predicted, SPACING)
    expected = library.compute_robust_hausdorff(theirs, 95)
    assert surface_distances(predicted, reference, SPACING).hd95().value == pytest.approx(expected, abs=max(SPACING))


def blobs(seed: int) -> tuple[Mask, Mask]:
    """Two overlapping smooth bodies, one of them touching the border of the image."""
    rng = np.random.default_rng(seed)
    distance = distance_transform_edt(rng.random((22, 24, 26)) > 0.002, sampling=SPACING)
    first = distance < rng.uniform(2, 4)
    return first, np.roll(first, (1, 0, 2), (0, 1, 2)) & (rng.random(first.shape) < 0.9)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.0, 0.0, 1.0), (1.0, -1.0, 1.0)])
def test_bad_spacing_is_refused(spacing: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="does not fit a volume"):
        surface_distances(np.ones((2, 2, 2)), np.ones((2, 2, 2)), spacing)
