"""Sampling planes: positions, letters and interpolation against known fields."""

from __future__ import annotations

import itertools

import highdicom as hd
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pulmomap.report.planes import Plane, View, letter, sample, sample_label

EDGES = {
    View.AXIAL: ("R", "L", "A", "P"),
    View.CORONAL: ("R", "L", "H", "F"),
    View.SAGITTAL: ("A", "P", "H", "F"),
}


@pytest.mark.parametrize("view", list(View))
def test_radiological_convention(view: View) -> None:
    edges = Plane(view, (0, 0, 0), 10, 10, 1).edges()
    assert (edges["left"], edges["right"], edges["top"], edges["bottom"]) == EDGES[view]


@given(st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda d: max(map(abs, d)) > 1e-3))
def test_letter_names_the_largest_component(direction: tuple[float, float, float]) -> None:
    sides = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "H": (0, 0, 1), "F": (0, 0, -1)}
    best = max(np.dot(direction, side) for side in sides.values())
    assert np.dot(direction, sides[letter(direction)]) == best


@given(
    st.sampled_from(list(View)),
    st.tuples(*[st.floats(-200, 200)] * 3),
    st.integers(1, 30),
    st.integers(1, 30),
    st.floats(0.2, 3),
)
def test_locate_inverts_positions(
    view: View, centre: tuple[float, float, float], rows: int, columns: int, step: float
) -> None:
    plane = Plane(view, centre, columns * step, rows * step, step)
    assert plane.shape == (rows, columns)
    positions = plane.positions()
    for row, column in ((0, 0), (rows - 1, columns - 1), (rows // 2, 0)):
        across, down = plane.locate(tuple(positions[row, column]))
        assert across * columns - 0.5 == pytest.approx(column, abs=1e-6)
        assert down * rows - 0.5 == pytest.approx(row, abs=1e-6)


@given(st.tuples(*[st.floats(-0.4, 0.4)] * 3), st.tuples(*[st.floats(0.5, 2.5)] * 3))
def test_a_linear_field_is_reproduced_on_oblique_anisotropic_grids(
    rotation: tuple[float, float, float], spacing: tuple[float, float, float]
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_rotvec(rotation).as_matrix() * spacing
    index = np.moveaxis(np.indices((20, 20, 20)), 0, -1)
    affine[:3, 3] = -affine[:3, :3] @ [9.5, 9.5, 9.5]
    field = (index @ affine[:3, :3].T + affine[:3, 3]) @ [3.0, -2.0, 5.0]
    volume = hd.Volume(field.astype(np.float32), affine, "PATIENT")
    for view in View:
        plane = Plane(view, (0.3, -0.2, 0.1), 4, 4, 0.5)
        assert sample(volume, plane, np.nan) == pytest.approx(plane.positions() @ [3.0, -2.0, 5.0], abs=1e-3)


def test_outside_is_filled() -> None:
    volume = hd.Volume(np.ones((4, 4, 4), np.float32), np.eye(4), "PATIENT")
    far = Plane(View.AXIAL, (50, 50, 50), 4, 4, 1)
    assert np.all(sample(volume, far, -1000.0) == -1000)
    edge = sample(volume, Plane(View.AXIAL, (3, 1, 1), 4, 1, 1), -1000.0)
    assert edge.tolist() == [[1, 1, -1000, -1000]]


def test_label_share_is_of_that_label_only() -> None:
    labels = np.zeros((3, 3, 4), np.uint8)
    labels[..., 1], labels[..., 2] = 1, 2
    affine = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    plane = Plane(View.AXIAL, (1.5, 1, 1), 4, 1, 1)
    volume = hd.Volume(labels, affine, "PATIENT")
    assert sample_label(volume, 1, plane).tolist() == [[0, 1, 0, 0]]
    assert sample_label(volume, 2, plane).tolist() == [[0, 0, 1, 0]]


def test_samples_do_not_depend_on_the_storage_layout() -> None:
    rng = np.random.default_rng(3)
    affine = np.array([[0, 0, 0.7, -4], [0, 0.8, 0, 3], [1.5, 0, 0, -9], [0, 0, 0, 1.0]])
    volume = hd.Volume(rng.normal(size=(8, 9, 10)).astype(np.float32), affine, "PATIENT")
    plane = Plane(View.SAGITTAL, (-1.2, 5.9, -4.1), 6, 6, 0.45)
    reference = sample(volume, plane, 0.0)
    for axes in itertools.permutations(("LR", "PA", "HF")):
        for signs in itertools.product((0, 1), repeat=3):
            layout = "".join(pair[sign] for pair, sign in zip(axes, signs, strict=True))
            assert sample(volume.to_patient_orientation(layout), plane, 0.0) == pytest.approx(reference, abs=1e-5)
