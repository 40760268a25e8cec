"""Slice order and affine, against the DICOM equation written out independently, and each refusal."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pulmomap.dicom.frames import Slice
from pulmomap.dicom.geometry import angle_to_axial, stack_slices
from pulmomap.refusals import Refusal, Refused

AXES = [sign * np.eye(3)[axis] for axis in range(3) for sign in (1, -1)]
ORIENTATIONS = [(*row, *column) for row in AXES for column in AXES if abs(row @ column) < 0.5]


def plane(
    position: Sequence[float],
    orientation: Sequence[float] = (1, 0, 0, 0, 1, 0),
    pixel_spacing: tuple[float, float] = (0.8, 0.6),
    number: int = 0,
    **changes: object,
) -> Slice:
    values: dict[str, object] = {
        "instance": number, "frame": 0, "frame_of_reference_uid": "1.2", "rows": 4, "columns": 5,
        "position": tuple(float(one) for one in position), "orientation": tuple(float(one) for one in orientation),
        "pixel_spacing": pixel_spacing, "thickness": None, "gantry_tilt": None, "slope": 1.0, "intercept": 0.0,
    }  # fmt: skip
    return Slice(**(values | changes))  # type: ignore[arg-type]


def stack(places: Sequence[float], **changes: object) -> list[Slice]:
    """Axial slices at the given z."""
    return [plane((-10, 20, z), number=number, **changes) for number, z in enumerate(places)]  # type: ignore[arg-type]


def refusal(slices: Sequence[Slice]) -> Refused:
    with pytest.raises(Refused) as caught:
        stack_slices(slices)
    return caught.value


def equation(one: Slice, row: float, column: float) -> np.ndarray:
    """DICOM PS3.3 C.7.6.2.1-1: where a pixel lies."""
    x, y = np.array(one.orientation[:3]), np.array(one.orientation[3:])
    return np.array(one.position) + x * one.pixel_spacing[1] * column + y * one.pixel_spacing[0] * row


def test_there_are_24_orientations() -> None:
    assert len(set(ORIENTATIONS)) == 24


@pytest.mark.parametrize(("orientation", "backwards"), [*itertools.product(ORIENTATIONS, (False, True))])
def test_every_axis_layout(orientation: tuple[float, ...], backwards: bool) -> None:
    normal = np.cross(orientation[:3], orientation[3:])
    slices = [plane(np.array([3, -7, 11]) + 2.5 * k * normal, orientation, number=k) for k in range(6)]
    found = stack_slices(slices[::-1] if backwards else slices)
    assert [one.instance for one in found.slices] == list(range(6))
    for (k, one), row, column in itertools.product(enumerate(found.slices), (0, 3), (0, 4)):
        np.testing.assert_allclose((found.affine @ [k, row, column, 1])[:3], equation(one, row, column), atol=1e-9)
    assert np.linalg.det(found.affine[:3, :3]) == pytest.approx(-2.5 * 0.8 * 0.6)


@given(
    turn=st.tuples(*[st.floats(-180, 180)] * 3),
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
    slice_mm=st.floats(0.3, 6),
    pixel=st.tuples(st.floats(0.2, 1.5), st.floats(0.2, 1.5)),
    order=st.permutations(range(7)),
)
def test_any_oblique_series(
    turn: tuple[float, ...], origin: tuple[float, ...], slice_mm: float, pixel: tuple[float, float], order: list[int]
) -> None:
    axes = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    orientation = (*axes[:, 0], *axes[:, 1])
    slices = [plane(np.array(origin) + k * slice_mm * axes[:, 2], orientation, pixel, number=k) for k in order]
    found = stack_slices(slices)
    assert [one.instance for one in found.slices] == list(range(7))
    for (k, one), row, column in itertools.product(enumerate(found.slices), (0, 511), (0, 511)):
        np.testing.assert_allclose((found.affine @ [k, row, column, 1])[:3], equation(one, row, column), atol=1e-6)
    assert angle_to_axial(found) == pytest.approx(np.degrees(np.arccos(min(1, abs(axes[2, 2])))), abs=1e-4)


@given(
    count=st.integers(12, 60),
    spacing=st.sampled_from([0.5, 0.625, 0.7, 1.0, 1.25, 2.5, 5.0]),
    data=st.data(),
)
def test_missing_slices_are_counted_and_placed(count: int, spacing: float, data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.integers(1, count - 2), min_size=1, max_size=count // 4))
    places = [round(-200 + spacing * k, 1) for k in range(count)]  # scanners round positions to 0.1 mm
    error = refusal(stack([z for k, z in enumerate(places) if k not in gone]))
    assert error.code is Refusal.MISSING_SLICES
    assert error.detail.startswith(f"{len(gone)} slice")
    named = float(error.detail.split("z = ")[1].split(" mm")[0])
    assert named == pytest.approx(-200 + spacing * min(gone), abs=0.11 + 0.05 * spacing)


@pytest.mark.parametrize("spacing", [0.5, 0.625, 0.7, 1.0, 1.25, 3.27])
def test_rounded_positions_are_regular(spacing: float) -> None:
    found = stack_slices(stack([round(-312.37 + spacing * k, 1) for k in range(200)]))
    assert found.spacing == pytest.approx(spacing, rel=1e-3)


@pytest.mark.parametrize(
    "places",
    [
        [0, 1, 2, 3, 4, 5.5, 6.5, 7.5],  # a jump of half a slice
        [0, 1, 2, 3, 4.3, 5, 6, 7],  # one slice displaced
        [0, 1, 2, 3, 4, 6, 8, 10, 12, 14],  # two spacings in one series
        [0, 1, 2, 2.1, 3, 4, 5, 6, 7, 8],  # one slice too many
        [0, 1, 2.1, 3.3, 4.6, 6.0, 7.5],  # growing
    ],
)
def test_uneven_spacing_is_never_taken_for_a_grid(places: list[float]) -> None:
    assert refusal(stack(places)).code in (Refusal.IRREGULAR_SPACING, Refusal.MISSING_SLICES)


def test_a_displaced_slice_is_irregular() -> None:
    error = refusal(stack([0, 1, 2, 3, 4.3, 5, 6, 7]))
    assert error.code is Refusal.IRREGULAR_SPACING
    assert "0.70 to 1.30 mm" in error.detail


def test_a_gap_of_a_million_slices_is_answered_at_once() -> None:
    error = refusal(stack([0, 0.1, 0.2, 0.3, 900000.3]))
    assert error.code is Refusal.MISSING_SLICES
    assert len(error.detail) < 400


def test_two_slices_at_one_place() -> None:
    error = refusal(stack([0, 1, 2, 2.001, 3]))
    assert error.code is Refusal.DUPLICATE_POSITIONS
    assert "z = 2.0 mm" in error.detail


@pytest.mark.parametrize("degrees", [0.3, 1, 18.5, -12])
def test_a_sheared_stack_is_tilted(degrees: float) -> None:
    shear = np.tan(np.radians(degrees))
    error = refusal([plane((0, 5 * k * shear, 5 * k), number=k) for k in range(40)])
    assert error.code is Refusal.GANTRY_TILT
    assert f"{abs(degrees):.1f} degrees" in error.detail


def test_a_tilted_gantry_is_seen_in_the_orientation() -> None:
    """As scanners write it: tilted planes, positions along the table."""
    tilt = np.radians(18.5)
    orientation = (1, 0, 0, 0, np.cos(tilt), -np.sin(tilt))
    assert refusal([plane((0, 0, 4.2 * k), orientation, number=k) for k in range(9)]).code is Refusal.GANTRY_TILT


def test_a_stated_tilt_must_be_seen() -> None:
    error = refusal(stack([0, 1, 2, 3], gantry_tilt=15.0))
    assert error.code is Refusal.GANTRY_TILT
    assert "15" in error.detail
    assert stack_slices(stack([0, 1, 2, 3], gantry_tilt=0.0)).spacing == 1


def test_a_table_that_wanders_breaks_the_stack() -> None:
    slices = stack(range(10))
    slices[4] = plane((-10, 21, 4), number=4)
    assert refusal(slices).code is Refusal.MIXED_GEOMETRY


@pytest.mark.parametrize(
    ("change", "named"),
    [({"rows": 5}, "5 x 5"), ({"columns": 9}, "4 x 9"), ({"pixel_spacing": (0.8, 0.61)}, "0.61"),
     ({"frame_of_reference_uid": "1.9"}, "1.9")],
)  # fmt: skip
def test_slices_of_different_grids(change: dict[str, object], named: str) -> None:
    slices = [*stack(range(9)), plane((-10, 20, 9), number=9, **change)]  # type: ignore[arg-type]
    error = refusal(slices)
    assert error.code is Refusal.MIXED_GEOMETRY
    assert named in error.detail


def test_slices_turned_against_each_other() -> None:
    error = refusal([*stack(range(9)), plane((0, 0, 9), (1, 0, 0, 0, 0, -1), number=9)])
    assert error.code is Refusal.MIXED_ORIENTATION
    assert "1 of 10 slices" in error.detail
    assert "90.0 degrees" in error.detail


def test_upside_down_slices_are_turned() -> None:
    assert refusal([*stack(range(9)), plane((0, 0, 9), (-1, 0, 0, 0, -1, 0))]).code is Refusal.MIXED_ORIENTATION


def test_one_slice_has_no_spacing() -> None:
    assert refusal(stack([0])).code is Refusal.TOO_FEW_SLICES


@pytest.mark.parametrize(
    "orientation", [(1, 0, 0, 1, 0, 0), (2, 0, 0, 0, 1, 0), (0, 0, 0, 0, 0, 0), (1, 0, 0, 0.1, 1, 0)]
)
def test_impossible_cosines(orientation: tuple[float, ...]) -> None:
    error = refusal([plane((0, 0, k), orientation, number=k) for k in range(3)])
    assert error.code is Refusal.INCOMPLETE_HEADER
    assert "ImageOrientationPatient" in error.detail


def test_a_frame_of_reference_for_every_slice_is_an_anonymisers_fault() -> None:
    slices = [plane((0, 0, k), number=k, frame_of_reference_uid=f"1.2.{k}") for k in range(5)]
    found = stack_slices(slices[::-1])
    assert found.own_frames_of_reference
    assert found.frame_of_reference_uid == "1.2.0"
