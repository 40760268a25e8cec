"""The perinodular comparison against whole-volume calls of MONAI, medpy's rules by hand, and written oracles."""

from __future__ import annotations

import itertools
import math
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, binary_erosion, gaussian_filter, label
from scipy.spatial.distance import cdist

from pulmomap.case import Vessel
from pulmomap.metrics.compare import PerinodularComparison, VesselComparison, compare
from pulmomap.metrics.outcome import Outcome, Status

Array = npt.NDArray[Any]
SPACING = (1.25, 0.8, 0.7)
AFFINE = np.array([[0, 0, 0.7, -40.0], [0, 0.8, 0, 30.0], [1.25, 0, 0, -500.0], [0, 0, 0, 1.0]])


def volume(labels: Array, affine: Array = AFFINE) -> hd.Volume:
    return hd.Volume(labels.astype(np.uint8), affine, "PATIENT")


def maps(shape: tuple[int, int, int] = (40, 50, 52), seed: int = 4) -> tuple[Array, Array]:
    """Winding bodies of both classes, and a prediction that is shifted, eroded in places and partly swapped."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal(shape), 3)
    reference = np.where(field > 0.03, 1, np.where(field < -0.03, 2, 0)).astype(np.uint8)
    predicted = np.roll(reference, (1, 1, 0), (0, 1, 2)) * (rng.random(shape) > 0.1)
    predicted[:, :12] = (3 - predicted[:, :12]) % 3
    return predicted.astype(np.uint8), reference


def both(comparison: PerinodularComparison) -> tuple[VesselComparison, VesselComparison]:
    return comparison.artery, comparison.vein


def test_identical_maps() -> None:
    _, reference = maps()
    for one in both(compare(volume(reference), volume(reference), (-22, 50, -475))):
        assert (one.local_dice, one.hd95, one.hd95_pooled, one.assd) == (Outcome(1.0), *[Outcome(0.0)] * 3)
        assert one.predicted == one.reference


def test_one_cubic_centimetre_in_two_pieces() -> None:
    predicted, reference = np.zeros((2, 30, 30, 30))
    reference[5:15, 5:15, 5:15] = Vessel.VEIN
    predicted[5:9, 5:15, 5:15] = predicted[10:15, 5:15, 5:15] = Vessel.VEIN
    one = compare(volume(predicted, np.eye(4)), volume(reference, np.eye(4)), (10, 10, 10)).vein
    assert (one.reference.count, one.reference.volume, one.reference.index) == (1, 1.0, 1.0)
    assert one.predicted.count == 2
    assert one.predicted.volume == pytest.approx(0.9)
    assert one.frag_index.value == pytest.approx(2 / 0.9)
    assert one.local_dice.value == pytest.approx(1.8 / 1.9)


def test_agrees_with_full_grid_arithmetic() -> None:
    """Every measure from scratch, on the whole grid, with all pairs of surface voxels."""
    predicted, reference = maps()
    centre, diameter = (-20.0, 48.0, -474.0), 21.0
    grid = np.moveaxis(np.indices(predicted.shape), 0, -1) @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    ball = np.linalg.norm(grid - centre, axis=-1) <= diameter / 2 + 1e-6
    for one in both(compare(volume(predicted), volume(reference), centre, diameter)):
        p, g = predicted == one.vessel, reference == one.vessel
        assert one.local_dice.value == pytest.approx(2 * (p & g & ball).sum() / ((p & ball).sum() + (g & ball).sum()))
        for mask, fragments in ((p, one.predicted), (g, one.reference)):
            assert fragments.count == label(mask & ball, np.ones((3, 3, 3)))[1]
            assert fragments.volume == pytest.approx((mask & ball).sum() * math.prod(SPACING) / 1000)
        surfaces = [mask & ~binary_erosion(mask) for mask in (p, g)]
        directed = [
            cdist(grid[here & ball], grid[there]).min(axis=1) for here, there in (surfaces, list(reversed(surfaces)))
        ]
        assert one.hd95.value == pytest.approx(max(np.percentile(d, 95) for d in directed), rel=1e-5)
        assert one.hd95_pooled.value == pytest.approx(np.percentile(np.concatenate(directed), 95), rel=1e-5)
        assert one.assd.value == pytest.approx(np.concatenate(directed).mean(), rel=1e-5)


def test_agrees_with_monai_where_the_sphere_holds_everything() -> None:
    from monai.metrics import compute_average_surface_distance, compute_dice, compute_hausdorff_distance
    from torch import from_numpy

    predicted, reference = maps((30, 32, 28))
    pair = [from_numpy(np.stack([one == vessel for vessel in Vessel])[None]) for one in (predicted, reference)]
    hd95 = compute_hausdorff_distance(*pair, include_background=True, percentile=95, spacing=SPACING)[0].tolist()
    assd = compute_average_surface_distance(*pair, include_background=True, symmetric=True, spacing=SPACING)[0].tolist()
    dice = compute_dice(*pair)[0].tolist()
    got = both(compare(volume(predicted), volume(reference), (-30, 42, -480), 300.0))
    assert [one.local_dice.value for one in got] == pytest.approx(dice, rel=1e-6)
    assert [one.hd95.value for one in got] == pytest.approx(hd95, rel=1e-5)
    assert [one.assd.value for one in got] == pytest.approx(assd, rel=1e-5)


def test_does_not_depend_on_the_storage_layout() -> None:
    pair = [volume(one) for one in maps((20, 22, 24))]
    centre = (-31.0, 39.0, -488.0)
    expected = both(compare(pair[0], pair[1], centre, 18.0))
    for axes, flip in itertools.product(itertools.permutations(range(3)), range(3)):
        other = [one.permute_spatial_axes(axes).flip_spatial(flip) for one in pair]
        for got, wanted in zip(both(compare(other[0], other[1], centre, 18.0)), expected, strict=True):
            assert got.local_dice == wanted.local_dice
            assert got.predicted.count == wanted.predicted.count
            for name in ("hd95", "hd95_pooled", "assd"):
                assert getattr(got, name).value == pytest.approx(getattr(wanted, name).value, rel=1e-6)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Array, Array, Array, tuple[float, float, float], float]:
    """Two maps, either of which may lack a class or both; an affine of any spacing; a sphere of any size on them."""
    shape = draw(st.tuples(*[st.integers(2, 9)] * 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    classes = st.sampled_from([[0], [0, 0, 1], [0, 2], [0, 1, 2], [1, 2]])
    predicted, reference = (rng.choice(draw(classes), size=shape) for _ in range(2))
    affine = np.diag([*draw(st.tuples(*[st.floats(0.4, 3)] * 3)), 1.0])
    affine[:3, 3] = draw(st.tuples(*[st.floats(-200, 200)] * 3))
    x, y, z = affine[:3, :3] @ [draw(st.floats(0, size - 1)) for size in shape] + affine[:3, 3]
    return predicted, reference, affine, (x, y, z), draw(st.floats(2, 30))


def figures(one: VesselComparison) -> tuple[list[float], list[Status]]:
    """Values, 0 where there is none, and why; the Dice first."""
    outcomes = (one.local_dice, one.hd95, one.hd95_pooled, one.assd)
    return [outcome.value if outcome.ok else 0.0 for outcome in outcomes], [outcome.status for outcome in outcomes]


@settings(max_examples=60, deadline=None)
@given(cases())
def test_swapping_the_maps_swaps_nothing_but_who_is_empty(case: Any) -> None:
    predicted, reference, affine, centre, diameter = case
    pair = volume(predicted, affine), volume(reference, affine)
    other = {Status.PRED_EMPTY: Status.REF_EMPTY, Status.REF_EMPTY: Status.PRED_EMPTY}
    swapped = both(compare(pair[1], pair[0], centre, diameter))
    for one, two in zip(both(compare(*pair, centre, diameter)), swapped, strict=True):
        (values, why), (expected, reasons) = figures(one), figures(two)
        assert values == pytest.approx(expected, rel=1e-12)
        assert why == [other.get(reason, reason) for reason in reasons]
        assert (one.predicted, one.reference) == (two.reference, two.predicted)


@settings(max_examples=60, deadline=None)
@given(cases(), st.tuples(*[st.integers(0, 3)] * 3), st.sampled_from([0.5, 2.0, 4.0]))
def test_place_does_not_count_and_millimetres_scale(case: Any, room: tuple[int, ...], scale: float) -> None:
    """Background around the maps changes nothing; a body twice as large has twice the distances and the same Dice."""
    predicted, reference, affine, centre, diameter = case
    padded = [np.pad(one, [(n, n) for n in room]) for one in (predicted, reference)]
    moved = affine.copy()
    moved[:3, 3] -= affine[:3, :3] @ room
    larger = affine.copy()
    larger[:3] *= scale
    wanted = both(compare(volume(predicted, affine), volume(reference, affine), centre, diameter))
    again = both(compare(volume(padded[0], moved), volume(padded[1], moved), centre, diameter))
    x, y, z = (scale * value for value in centre)
    double = both(compare(volume(predicted, larger), volume(reference, larger), (x, y, z), scale * diameter))
    for one, same, big in zip(wanted, again, double, strict=True):
        (dice, *distances), why = figures(one)
        assert figures(same)[0] == pytest.approx([dice, *distances], rel=1e-9)
        assert figures(big)[0] == pytest.approx([dice, *(scale * value for value in distances)], rel=1e-9)
        assert figures(same)[1] == figures(big)[1] == why
        assert same.predicted.count == one.predicted.count
        assert big.predicted.volume == pytest.approx(scale**3 * one.predicted.volume)


def test_errors_far_from_the_nodule_do_not_count() -> None:
    _, reference = maps()
    spoilt = reference.copy()
    spoilt[:, :, -8:] = 0
    for one in both(compare(volume(spoilt), volume(reference), (-34, 50, -475), 16.0)):
        assert (one.local_dice, one.hd95, one.assd) == (Outcome(1.0), Outcome(0.0), Outcome(0.0))


@pytest.mark.parametrize(
    ("predicted", "reference", "dice", "others"),
    [
        (False, False, Status.BOTH_EMPTY, Status.BOTH_EMPTY),
        (False, True, 0.0, Status.PRED_EMPTY),
        (True, False, 0.0, Status.REF_EMPTY),
    ],
)
def test_vessel_missing_from_a_map(predicted: bool, reference: bool, dice: float | Status, others: Status) -> None:
    body = np.zeros((9, 9, 9))
    body[4, 4, 2:7] = Vessel.ARTERY
    one = compare(volume(body * predicted), volume(body * reference), (-37, 33, -495)).artery
    assert (one.local_dice.status if isinstance(dice, Status) else one.local_dice.value) == dice
    assert {one.hd95.status, one.hd95_pooled.status, one.assd.status} == {others}
    assert one.frag_index.status is (Status.OK if predicted else others)
    assert (one.reference.index is None) == (not reference)


def test_sphere_outside_the_scan() -> None:
    predicted, reference = maps()
    for one in both(compare(volume(predicted), volume(reference), (500, 0, 0))):
        outcomes = (one.local_dice, one.frag_index, one.hd95, one.hd95_pooled, one.assd)
        assert {outcome.status for outcome in outcomes} == {Status.ROI_EMPTY}


def test_wider_prediction_lowers_the_frag_index() -> None:
    """The documented weakness, which is why count and volume are given."""
    body = np.zeros((20, 20, 20), bool)
    body[5, 5, 2:18] = body[15, 15, 2:18] = True
    thin, wide = (volume(mask * 1, np.eye(4)) for mask in (body, binary_dilation(body)))
    one = compare(wide, thin, (10, 10, 10)).artery
    assert one.predicted.count == one.reference.count == 2
    assert one.reference.index is not None
    assert one.frag_index.value < one.reference.index


def test_different_grids_are_named() -> None:
    labels = np.zeros((4, 4, 4))
    shifted = AFFINE.copy()
    shifted[0, 3] += 0.5
    with pytest.raises(ValueError, match=r"prediction \(shape \(4, 4, 4\).*-39\.5.* grid of the reference .*-40\.0"):
        compare(volume(labels, shifted), volume(labels), (0, 0, 0))
    with pytest.raises(ValueError, match=r"shape \(4, 4, 3\)"):
        compare(volume(labels), volume(labels[..., :3]), (0, 0, 0))


def test_bad_diameter_is_refused() -> None:
    with pytest.raises(ValueError, match="region of 0 mm"):
        compare(volume(np.zeros((2, 2, 2))), volume(np.zeros((2, 2, 2))), (0, 0, 0), 0.0)
