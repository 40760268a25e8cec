"""Surfaces of arteries, veins and nodules, and their files.

Frames and units: STL holds LPS millimetres (its header says so, as 3D Slicer reads it). glTF demands metres with +Y up
and +Z forward: vertices stay in LPS millimetres inside the GLB and the node's matrix makes the change, so that any
viewer shows the patient upright and facing the reader, and the frame of the CT is not lost.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import trimesh
from trimesh.exchange.gltf import export_glb
from trimesh.exchange.stl import export_stl

from pulmomap.case import Measurements, Nodule, Vessel
from pulmomap.report.isosurface import FloatArray, enclose
from pulmomap.report.palette import NODULE, VESSELS, Colour

POINT_DIAMETER_MM = 6.0
"""Size of the ball that marks a nodule of which only a point is known."""

LPS_MM_TO_GLTF = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1000]]) / 1000
"""glTF 2.0 section 3.4: +X is the patient's left, +Y head, +Z anterior; metres."""

_NAMES = {Vessel.ARTERY: "pulmonary-artery", Vessel.VEIN: "pulmonary-vein"}


@dataclass(frozen=True)
class Surface:
    """A closed triangle mesh in the patient frame.

    Attributes:
        name: file stem and node name; holds nothing from the input.
        title: for people.
        colour: sRGB.
        opacity: 0 to 1.
        vertices: (n, 3) float32, LPS mm.
        normals: (n, 3) float32, unit length, pointing outwards.
        faces: (m, 3) uint32, counter-clockwise seen from outside.
    """

    name: str
    title: str
    colour: Colour
    opacity: float
    vertices: FloatArray
    normals: FloatArray
    faces: npt.NDArray[np.uint32]


def vessel_surfaces(measurements: Measurements) -> tuple[Surface, ...]:
    """Arteries, veins, then nodules; a vessel class that is absent from the map has no surface."""
    surfaces = []
    for vessel in Vessel:
        mesh = enclose(measurements.vessels.labels, vessel)
        if mesh is not None:
            surfaces.append(Surface(_NAMES[vessel], vessel.title, VESSELS[vessel], 1.0, *mesh))
    for number, nodule in enumerate(measurements.ncct.nodules, start=1):
        surfaces.append(_ball(f"nodule-{number}", nodule))
    return tuple(surfaces)


def as_glb(surfaces: Sequence[Surface]) -> bytes:
    """One binary glTF 2.0 file with a node a surface; the same surfaces give the same bytes."""
    extras = {"vertices": "LPS, millimetres", "node matrix": "to metres, +X left, +Y head, +Z anterior"}
    if not surfaces:
        return _empty_glb(extras)
    scene = trimesh.Scene()
    for surface in surfaces:
        colour = [*_linear(surface.colour), surface.opacity]
        material = trimesh.visual.material.PBRMaterial(  # type: ignore[no-untyped-call]
            name=surface.name,
            baseColorFactor=[round(255 * value) for value in colour],
            metallicFactor=0.0,
            roughnessFactor=0.5,
            alphaMode="OPAQUE" if surface.opacity == 1 else "BLEND",
        )
        mesh = trimesh.Trimesh(surface.vertices, surface.faces, vertex_normals=surface.normals, process=False)
        mesh.visual = trimesh.visual.TextureVisuals(material=material)  # type: ignore[no-untyped-call]
        scene.add_geometry(mesh, node_name=surface.name, geom_name=surface.name, transform=LPS_MM_TO_GLTF)
    scene.metadata = extras
    return bytes(export_glb(scene, include_normals=True))  # type: ignore[no-untyped-call]


def as_stl(surfaces: Sequence[Surface]) -> dict[str, bytes]:
    """A binary STL (LPS mm) for each surface, by its name."""
    header = b"PulmoMAP. SPACE=LPS UNIT=mm. Research only, not for diagnosis".ljust(80)
    meshes = {surface.name: trimesh.Trimesh(surface.vertices, surface.faces, process=False) for surface in surfaces}
    return {name: header + export_stl(mesh)[80:] for name, mesh in meshes.items()}


def _ball(name: str, nodule: Nodule) -> Surface:
    ball = trimesh.creation.icosphere(subdivisions=3, radius=(nodule.diameter or POINT_DIAMETER_MM) / 2)
    outwards = ball.vertices / np.linalg.norm(ball.vertices, axis=1, keepdims=True)
    return Surface(
        name=name,
        title=nodule.label if nodule.diameter else f"{nodule.label} (position only)",
        colour=NODULE,
        opacity=0.55,
        vertices=(ball.vertices + nodule.centre).astype(np.float32),
        normals=outwards.astype(np.float32),
        faces=ball.faces.astype(np.uint32),
    )


def _linear(colour: Colour) -> list[float]:
    """sRGB to the linear light that glTF's colour factors are in (IEC 61966-2-1)."""
    values = np.asarray(colour) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).tolist()  # type: ignore[no-any-return]


def _empty_glb(extras: dict[str, str]) -> bytes:
    """A valid file for a case without any surface; trimesh refuses to write one."""
    text = json.dumps({"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"extras": extras}]}).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<4sII", b"glTF", 2, 20 + len(text)) + struct.pack("<I4s", len(text), b"JSON") + text
