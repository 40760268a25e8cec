"""Segmentation: the right class at the right place, whatever the windows and the layout of the scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pulmomap.case import ModelIdentity, Ncct, Nodule, SynCect
from pulmomap.imaging.windows import Tiling
from pulmomap.inference.bundle import load_segmentation_bundle
from pulmomap.inference.segmentation import SegmentationSettings, VesselModel, fitted_tile, open_vessel_model, segment
from tests.inference.made_bundle import WriteBundle, affine_of, make_scan
from tests.inference.test_synthesis import layouts, turned

Floats = NDArray[np.float32]
IDENTITY = ModelIdentity("test", "0.0.0", "0" * 64, "Nothing.")
LUNG = (slice(8, 52), slice(9, 50), slice(8, 48))


class Thresholds:
    """Artery where the NCCT is bright, vein where only the Syn-CECT is."""

    title = "test"

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, batch: Floats) -> Floats:
        self.shapes.append(batch.shape)
        ncct, syn = batch[:, 0], batch[:, 1]
        return np.stack([np.full_like(ncct, 0.1), 2 * (ncct > 0.2), 1 * (syn > 0.2)], axis=1).astype(np.float32)


def syn_of(scan: Ncct, hu: Any) -> SynCect:
    return SynCect(scan, scan.volume.with_array(np.asarray(hu).astype(np.int16)), IDENTITY)


def made_case(affine: Any, shape: tuple[int, int, int] = (60, 58, 56)) -> SynCect:
    """An artery bright in both images, a vein bright in the Syn-CECT alone, and a crumb of each."""
    ncct = np.full(shape, -800.0)
    ncct[12:44, 20:24, 20:24] = ncct[30, 40, 40] = 300.0
    syn = ncct.copy()
    syn[12:44, 30:34, 30:34] = syn[20, 44, 20] = 300.0
    syn[20, 24, 22] = 300.0  # a crumb of vein that touches the artery
    return syn_of(make_scan(ncct, affine, LUNG), syn)


# What the network says, without anatomy's clean-up but for crumbs.
AS_FOUND = SegmentationSettings(only_between_lungs=False, trunk_gap_mm=0, branch_majority=1.01)


def model_of(write_bundle: WriteBundle, settings: SegmentationSettings | None = None, **inference: Any) -> VesselModel:
    sections = {"lung_margin_mm": 4.0, "window": [32, 32, 32], "overlap": 0.25} | inference
    bundle = load_segmentation_bundle(write_bundle("segmentation", inference=sections))
    return VesselModel(bundle, Thresholds(), settings or AS_FOUND)


@pytest.mark.parametrize("inference", [{}, {"window": [128, 128, 128]}, {"window": [20, 27, 34], "overlap": 0.5}])
def test_each_vessel_gets_its_class_and_crumbs_go(inference: dict[str, Any], write_bundle: WriteBundle) -> None:
    case = made_case(affine_of((1, 1, 1)))
    model = model_of(write_bundle, **inference)
    told: list[float] = []
    vessels = segment(case, model, told.append)
    expected = np.zeros(case.volume.spatial_shape, np.uint8)
    expected[12:44, 20:24, 20:24], expected[12:44, 30:34, 30:34] = 1, 2
    assert vessels.labels.array.dtype == np.uint8
    assert np.array_equal(vessels.labels.array, expected)
    assert np.array_equal(vessels.labels.affine, case.volume.affine)
    assert vessels.model.name == "tiny_segmentation"
    assert told == sorted(told)
    assert told[-1] == 1
    assert isinstance(model.runtime, Thresholds)
    assert len(set(model.runtime.shapes)) == 1
    limits = inference.get("window", [32, 32, 32])
    assert all(side % 4 == 0 and side <= limit for side, limit in zip(model.runtime.shapes[0][2:], limits, strict=True))


def test_a_known_nodule_is_no_vessel_and_what_it_touches_stays(write_bundle: WriteBundle) -> None:
    hu = np.full((60, 58, 56), -800.0)
    steps = np.indices(hu.shape)
    nodule = ((steps - np.array([30, 30, 30])[:, None, None, None]) ** 2).sum(axis=0) <= 7**2
    hu[nodule] = 300.0
    hu[8:50, 29:32, 37:40] = 300.0  # a vessel that grazes it
    scan = make_scan(hu, affine_of((1, 1, 1)), LUNG)
    x, y, z = (scan.volume.affine @ [30, 30, 30, 1])[:3]
    known = replace(scan, nodules=(Nodule("Nodule 1", (float(x), float(y), float(z)), 14.0, "settings", "1.2.3"),))
    with_it, kept = (
        segment(syn_of(known, hu), model_of(write_bundle, AS_FOUND.model_copy(update={"without_nodules": switch})))
        for switch in (True, False)
    )
    assert (kept.labels.array[nodule] == 1).all()
    vessel = np.zeros(hu.shape, bool)
    vessel[8:50, 29:32, 37:40] = True
    assert (with_it.labels.array[nodule & ~vessel] > 0).mean() < 0.1
    assert (with_it.labels.array[vessel & ~nodule] == 1).all()


def test_crumbs_are_kept_where_asked(write_bundle: WriteBundle) -> None:
    labels = segment(
        made_case(affine_of((1, 1, 1))), model_of(write_bundle, AS_FOUND.model_copy(update={"smallest_mm3": 0}))
    ).labels.array
    assert labels[30, 40, 40] == 1
    assert labels[20, 44, 20] == 2


@pytest.mark.parametrize(("gap", "stays"), [(0.0, True), (6.0, False), (20.0, True)])
def test_what_no_trunk_leads_to_is_dropped(gap: float, stays: bool, write_bundle: WriteBundle) -> None:
    hu = np.full((60, 58, 56), -800.0)
    hu[12:44, 12:24, 12:24] = hu[12:44, 36:40, 15:19] = 300.0  # a trunk, and a thin vessel 12 mm beside it
    scan = make_scan(hu, affine_of((1, 1, 1)), LUNG)
    settings = AS_FOUND.model_copy(update={"trunk_gap_mm": gap})
    labels = segment(syn_of(scan, hu), model_of(write_bundle, settings)).labels.array
    assert (labels[12:44, 12:24, 12:24] == 1).all()
    assert (labels[12:44, 36:40, 15:19] == 1).all() == stays


def test_nothing_is_said_outside_the_chest_by_default(write_bundle: WriteBundle) -> None:
    """Enhancing tissue beside, above and below the lungs is no pulmonary vessel."""
    scan = make_scan(np.full((60, 58, 56), 300.0), affine_of((1, 1, 1)), LUNG)
    labels = segment(syn_of(scan, scan.volume.array), model_of(write_bundle, SegmentationSettings())).labels.array
    outside = np.ones(labels.shape, bool)
    outside[LUNG] = False
    assert not labels[outside].any()
    assert (labels[LUNG] > 0).mean() > 0.9


def test_nothing_is_said_outside_the_region_of_the_lungs(write_bundle: WriteBundle) -> None:
    scan = make_scan(np.full((60, 58, 56), 300.0), affine_of((1, 1, 1)), LUNG)
    labels = segment(syn_of(scan, scan.volume.array), model_of(write_bundle)).labels.array
    expected = np.zeros_like(labels)
    expected[4:56, 5:54, 4:52] = 1
    assert np.array_equal(labels, expected)


def test_all_48_layouts_give_the_same_map(write_bundle: WriteBundle) -> None:
    case = made_case(affine_of((1, 1, 1)))
    model = model_of(write_bundle, window=[64, 64, 64])
    expected = segment(case, model).labels
    for order, flips in layouts():
        scan = turned(case.ncct, order, flips)
        syn = case.volume.match_geometry(scan.volume)
        labels = segment(SynCect(scan, syn, IDENTITY), model).labels
        assert np.array_equal(labels.match_geometry(expected).array, expected.array), (order, flips)


def test_vessels_lie_where_they_are_on_any_grid(write_bundle: WriteBundle) -> None:
    affine = affine_of((1.25, 0.7, 0.8))
    hu = np.full((60, 58, 56), -800.0)
    hu[12:44, 20:28, 24:32] = 300.0
    labels = segment(syn_of(make_scan(hu, affine, LUNG), hu), model_of(write_bundle)).labels.array
    truth = hu > 0
    assert 2 * ((labels == 1) & truth).sum() / ((labels == 1).sum() + truth.sum()) > 0.85
    centres = [affine @ [*np.argwhere(mask).mean(axis=0), 1] for mask in (labels == 1, truth)]
    assert np.abs(centres[0] - centres[1]).max() < 0.5  # mm: half a voxel of the network


def test_syn_cect_on_another_grid_is_an_error(write_bundle: WriteBundle) -> None:
    case = made_case(affine_of((1, 1, 1)))
    other = made_case(affine_of((1, 1, 1), origin=(0.0, 0.0, 0.0)))
    with pytest.raises(ValueError, match="grid"):
        segment(SynCect(case.ncct, other.volume, IDENTITY), model_of(write_bundle))


def test_same_scan_same_bytes(write_bundle: WriteBundle) -> None:
    rng = np.random.default_rng(0)
    scan = make_scan(rng.uniform(-1000, 400, (60, 58, 56)), affine_of((1, 0.7, 0.7)), LUNG)
    syn = syn_of(scan, scan.volume.array)
    folder, settings = write_bundle("segmentation"), AS_FOUND.model_copy(update={"smallest_mm3": 0})
    first, second = (
        segment(syn, open_vessel_model(folder, settings, device="cpu", threads=2)).labels.array for _ in range(2)
    )
    assert first.any()
    assert np.array_equal(first, second)


Sides = tuple[int, int, int]
sides: Callable[[int, int], st.SearchStrategy[Sides]] = lambda low, high: st.tuples(*(st.integers(low, high),) * 3)  # noqa: E731


@given(sides(1, 24), sides(1, 12), st.floats(0, 0.8), st.sampled_from([1, 4, 16]))
def test_fitted_tile_is_the_smallest_that_needs_no_more_windows(
    size: Sides, largest: Sides, overlap: float, stride: int
) -> None:
    size, largest = (tuple(stride * side for side in sides) for sides in (size, largest))  # type: ignore[assignment]
    tile = fitted_tile(size, largest, overlap, stride)
    fewest = Tiling(size, largest, overlap).counts
    assert Tiling(size, tile, overlap).counts <= fewest
    assert all(side % stride == 0 and side <= limit for side, limit in zip(tile, largest, strict=True))
    for axis in range(3):
        if tile[axis] > stride:
            smaller = list(tile)
            smaller[axis] -= stride
            assert Tiling(size, (smaller[0], smaller[1], smaller[2]), overlap).counts[axis] > fewest[axis]
