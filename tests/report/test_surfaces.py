"""Surfaces against analytic shapes, and their files against the formats."""

from __future__ import annotations

import io
import itertools
import json
import struct
from typing import Any

import highdicom as hd
import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from pulmomap.case import Nodule
from pulmomap.report.isosurface import MAX_FACES, enclose
from pulmomap.report.surfaces import as_glb, as_stl, vessel_surfaces
from tests.report.made_case import ARTERY, NODULE, make_case


def ball(radius: float, spacing: tuple[float, float, float], rotation: tuple[float, float, float]) -> hd.Volume:
    """A ball around LPS (10, 20, -300) on an oblique grid."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_rotvec(rotation).as_matrix() * spacing
    shape = [int(2 * radius / step + 6) for step in spacing]
    affine[:3, 3] = [10, 20, -300] - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    points = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    return hd.Volume((np.linalg.norm(points - [10, 20, -300], axis=-1) <= radius).astype(np.uint8), affine, "PATIENT")


@pytest.mark.parametrize(
    ("spacing", "rotation"),
    [((1, 0.7, 0.7), (0, 0, 0)), ((2.5, 0.8, 0.8), (0.2, -0.1, 0.3)), ((0.6, 0.6, 1.25), (1.2, 0.4, -2.0))],
)
def test_ball_keeps_place_size_and_direction(
    spacing: tuple[float, float, float], rotation: tuple[float, float, float]
) -> None:
    labels = ball(12, spacing, rotation)
    mesh = enclose(labels, 1)
    assert mesh is not None
    vertices, normals, faces = mesh
    outwards = vertices - np.array([10, 20, -300])
    radii = np.linalg.norm(outwards, axis=1)
    assert radii.mean() == pytest.approx(12, abs=0.35)
    assert radii.std() < 0.35
    assert np.all((normals * outwards / radii[:, None]).sum(axis=1) > 0.7)
    closed = trimesh.Trimesh(vertices, faces, process=False)
    assert closed.is_watertight
    assert closed.volume == pytest.approx(labels.array.sum() * labels.voxel_volume, rel=0.06)


def test_thin_vessel_is_not_lost() -> None:
    """One voxel (0.7 mm) wide, as the smallest vessels are; the plain level of one half would drop it."""
    labels = np.zeros((80, 20, 20), np.uint8)
    labels[5:75, 10, 10] = 1
    mesh = enclose(hd.Volume(labels, np.diag([1, 0.7, 0.7, 1.0]), "PATIENT"), 1)
    assert mesh is not None
    assert np.ptp(mesh[0][:, 0]) == pytest.approx(70, abs=2.5)
    assert len(trimesh.Trimesh(mesh[0], mesh[2], process=False).split(only_watertight=False)) == 1


def test_lone_voxel_is_shown() -> None:
    labels = np.zeros((5, 5, 5), np.uint8)
    labels[2, 2, 2] = 2
    mesh = enclose(hd.Volume(labels, np.diag([0.5, 0.5, 0.5, 1.0]), "PATIENT"), 2)
    assert mesh is not None
    assert mesh[0].mean(axis=0) == pytest.approx([1, 1, 1], abs=0.3)


def test_faces_are_bounded() -> None:
    rng = np.random.default_rng(1)
    volume = hd.Volume((rng.random((60, 60, 60)) < 0.1).astype(np.uint8), np.diag([1.5, 1.5, 1.5, 1.0]), "PATIENT")
    mesh = enclose(volume, 1, max_faces=4000)
    assert mesh is not None
    assert 500 < len(mesh[2]) <= 4000
    assert len(mesh[0]) <= np.iinfo(np.uint16).max
    assert MAX_FACES == 60_000


def test_surface_does_not_depend_on_the_storage_layout() -> None:
    reference = vessel_surfaces(make_case())
    for first, second, third in itertools.permutations(("LR", "PA", "HF")):
        for layout in ((first[1], second[0], third[1]), (first[0], second[1], third[0])):
            for mine, theirs in zip(vessel_surfaces(make_case(layout=layout)), reference, strict=True):
                assert len(mine.vertices) == len(theirs.vertices)
                assert mine.vertices == pytest.approx(theirs.vertices, abs=0.01)


def test_names_colours_and_places() -> None:
    artery, vein, nodule = vessel_surfaces(make_case())
    assert [surface.name for surface in (artery, vein, nodule)] == ["pulmonary-artery", "pulmonary-vein", "nodule-1"]
    assert artery.vertices.mean(axis=0)[:2] == pytest.approx(ARTERY[:2], abs=0.8)
    assert vein.vertices[:, 0].mean() > 0 > artery.vertices[:, 0].mean()
    assert np.linalg.norm(nodule.vertices - NODULE, axis=1) == pytest.approx(8.0, abs=1e-3)
    assert vein.colour[0] > vein.colour[2] < artery.colour[2] > artery.colour[0]


def test_point_nodule_is_marked_as_such() -> None:
    (surface,) = vessel_surfaces(make_case(nodules=(Nodule("P", NODULE, None, "settings", "2.25.1"),), empty=True))
    assert (surface.name, surface.title) == ("nodule-1", "P (position only)")


def test_stl_is_lps_millimetres() -> None:
    surfaces = vessel_surfaces(make_case())
    files = as_stl(surfaces)
    assert list(files) == ["pulmonary-artery", "pulmonary-vein", "nodule-1"]
    for surface in surfaces:
        content = files[surface.name]
        assert b"SPACE=LPS" in content[:80]
        assert not content.startswith(b"solid")
        assert struct.unpack("<I", content[80:84])[0] == len(surface.faces)
        mesh = trimesh.load_mesh(io.BytesIO(content), file_type="stl")
        assert mesh.bounds == pytest.approx(np.array([surface.vertices.min(0), surface.vertices.max(0)]), abs=1e-3)
        assert mesh.volume > 0


def glb_json(content: bytes) -> dict[str, Any]:
    magic, version, size, length, kind = struct.unpack("<4sIII4s", content[:20])
    assert (magic, version, size, kind) == (b"glTF", 2, len(content), b"JSON")
    document: dict[str, Any] = json.loads(content[20 : 20 + length])
    return document


def test_glb_stands_upright_in_metres() -> None:
    """Through an independent reader: the patient's left is +X, head +Y, front +Z."""
    surfaces = vessel_surfaces(make_case())
    content = as_glb(surfaces)
    assert {node["name"] for node in glb_json(content)["nodes"]} == {surface.name for surface in surfaces}
    scene = trimesh.load_scene(io.BytesIO(content), file_type="glb")
    for surface in surfaces:
        transform, geometry = scene.graph[surface.name]
        mesh = scene.geometry[geometry].copy().apply_transform(transform)
        left, back, head = surface.vertices.mean(axis=0) / 1000
        assert mesh.vertices.mean(axis=0) == pytest.approx([left, head, -back], abs=1e-4)
        assert mesh.volume > 0


def test_same_surfaces_same_bytes() -> None:
    first, second = (vessel_surfaces(make_case()) for _ in range(2))
    assert as_glb(first) == as_glb(second)
    assert as_stl(first) == as_stl(second)


def test_empty_map_gives_a_valid_file() -> None:
    surfaces = vessel_surfaces(make_case(nodules=(), empty=True))
    assert surfaces == ()
    assert glb_json(as_glb(surfaces))["asset"] == {"version": "2.0"}
    assert as_stl(surfaces) == {}
