"""Paints what the chest holds beside the pulmonary vessels: lungs, mediastinum, heart, great vessels, what ails them.

HU and enhancement are those of the radiology literature with a spread a patient; what takes up little contrast (muscle,
liver, nodes, oesophagus) is painted with its own small gain, so that a network learns what stays dark.
"""

from __future__ import annotations

import numpy as np

from pulmomap.phantom.anatomy import Anatomy
from pulmomap.phantom.canvas import Canvas
from pulmomap.phantom.fields import Coarse, Field, Point
from pulmomap.phantom.findings import Findings
from pulmomap.phantom.population import BloodPool, Patient

Rng = np.random.Generator
FISSURE = 0.8  # mm from its middle to where it has faded

# Compartment of each blood-filled shape.
COMPARTMENTS = {
    "left_atrium": "vein",
    "right_atrium": "right_atrium",
    "right_ventricle": "right_ventricle",
    "left_ventricle": "aorta",
    "aorta": "aorta",
    "inferior_vena_cava": "inferior_cava",
    "superior_vena_cava": "superior_cava",
    "brachiocephalic_veins": "superior_cava",
    "arch_branches": "aorta",
    "azygos": "right_atrium",
}


def paint_chest(
    canvas: Canvas,
    patient: Patient,
    anatomy: Anatomy,
    coarse: Coarse,
    blood: BloodPool,
    findings: Findings,
    stretch: Field | None,
    rng: Rng,
) -> None:
    """Lungs, mediastinal fat, spine, heart and great vessels (all but the pulmonary trees).

    ``stretch`` is the lung's volume relative to rest at each coarse cell, after a breath: the same tissue, more air.
    """
    size, shapes = patient.scale, anatomy.shapes
    solid = np.minimum(shapes["mediastinum"], shapes["hila"])
    fat = (rng.normal(-92.0, 8.0) + coarse.irregular(6.0, 6.0)).astype(np.float32)
    canvas.shape(np.maximum(solid, anatomy.cavity - 2.0), fat, 3.0)
    _paint_lungs(canvas, patient, anatomy, coarse, findings, stretch, rng)
    _paint_spine(canvas, patient, anatomy, coarse, rng)
    canvas.shape(shapes["pericardium"], rng.normal(-85.0, 12.0))
    canvas.shape(shapes["oesophagus"], rng.normal(38.0, 6.0), 15.0)
    if patient.age < 45:
        thymus = coarse.ellipsoid(np.array([2, -38, 12]) * size, np.array([22, 9, 32]) * size)
        canvas.shape(np.maximum(thymus, anatomy.cavity + 3.0), rng.normal(20.0, 20.0), rng.normal(18.0, 6.0))
    _paint_nodes(canvas, patient, anatomy, coarse, findings, rng)
    canvas.shape(shapes["heart"] - 1.5, rng.normal(45.0, 4.0), rng.normal(45.0, 12.0))
    canvas.shape(shapes["myocardium"], rng.normal(47.0, 4.0), rng.normal(70.0, 15.0))
    for name, compartment in COMPARTMENTS.items():
        canvas.shape(shapes[name], blood.plain + rng.normal(0.0, 1.5), getattr(blood, compartment))
    if findings.calcified_arteries:
        _paint_calcifications(canvas, anatomy, coarse, rng)
    if findings.device:
        for lead in device_leads(anatomy):
            canvas.shape(coarse.tube(lead, 1.3), 3000.0)


def device_leads(anatomy: Anatomy) -> list[list[Point]]:
    """The leads of a pacemaker: through the superior cava into the right atrium and ventricle, LPS mm."""
    cava = anatomy.marks.superior_cava
    inlet = np.array([60.0, -45.0, cava[0][2] + 12.0])
    atrium, ventricle = np.array([-26.0, -30.0, -58.0]), np.array([28.0, -58.0, -100.0])
    return [[inlet, *cava, atrium], [inlet + 2.0, *(point + 2.0 for point in cava), ventricle]]


def _paint_spine(canvas: Canvas, patient: Patient, anatomy: Anatomy, coarse: Coarse, rng: Rng) -> None:
    size, spine = patient.scale, anatomy.shapes["spine"]
    marrow = (rng.normal(230.0 - patient.age, 30.0) + coarse.irregular(25.0, 5.0)).astype(np.float32)
    # Discs every 23 mm: denser than marrow's fat, without a cortex.
    discs = np.abs((coarse.z / (23.0 * size)) % 1.0 - 0.5) * 23.0 * size - 3.0
    canvas.shape(spine, rng.normal(420.0, 60.0))
    canvas.shape(spine + 2.0, marrow, 10.0)
    canvas.shape(np.maximum(spine, discs).astype(np.float32), rng.normal(85.0, 10.0), 3.0)
    spinous = (np.hypot(coarse.x / (9 * size), (coarse.y - 108 * size) / (24 * size)) - 1.0) * 9 * size
    canvas.shape(spinous.astype(np.float32), rng.normal(400.0, 60.0))
    canal = (np.hypot(coarse.x / (9 * size), (coarse.y - 97 * size) / (8 * size)) - 1.0) * 8 * size
    canvas.shape(canal.astype(np.float32), 30.0)


def _paint_lungs(
    canvas: Canvas,
    patient: Patient,
    anatomy: Anatomy,
    coarse: Coarse,
    findings: Findings,
    stretch: Field | None,
    rng: Rng,
) -> None:
    gravity = coarse.y / patient.half_depth * rng.normal(22.0, 8.0)
    level = float(np.clip(rng.normal(-855.0, 25.0), -910.0, -780.0))
    texture = level + gravity + coarse.irregular(10.0, 12.0) + coarse.irregular(8.0, 4.0)
    if findings.emphysema:
        texture = _emphysema(texture, patient, coarse, rng)
    if findings.fibrosis:
        texture = _fibrosis(texture, patient, anatomy, coarse, rng)
    if stretch is not None:
        texture = (texture + 1000.0) / stretch - 1000.0
    septum = np.maximum(anatomy.lungs, 1.0 - np.abs(coarse.x))
    canvas.shape(septum.astype(np.float32), texture.astype(np.float32))
    if canvas.lens.voxel_box(anatomy.lungs < 0) is None:
        return
    strength = np.float32(rng.uniform(0.05, 0.35))
    for box, distance in canvas.lens.blocks(np.minimum(anatomy.fissure, 20.0), FISSURE):
        fissure = np.clip(1.0 - distance / FISSURE, 0.0, 1.0)
        canvas.voxels(fissure * canvas.share(anatomy.lungs, box) * strength, -350.0, 0.0, box)


def _emphysema(texture: Field, patient: Patient, coarse: Coarse, rng: Rng) -> Field:
    """Centrilobular holes of 5 to 10 mm, more of them towards the apex."""
    holes = coarse.irregular(1.0, float(rng.uniform(4.0, 7.0)))
    upwards = np.clip((coarse.z - patient.base) / (patient.apex - patient.base), 0.0, 1.0)
    depth = np.clip(2.0 * (holes - 1.6 + 1.4 * rng.uniform(0.4, 1.0) * upwards), 0.0, 1.0)
    return np.asarray(texture + depth * (-975.0 - texture))


def _fibrosis(texture: Field, patient: Patient, anatomy: Anatomy, coarse: Coarse, rng: Rng) -> Field:
    """A net of thickened septa below the pleura, more of it at the bases."""
    net = np.exp(-((coarse.irregular(1.0, 4.5) / 0.35) ** 2))
    below = np.clip(1.0 + anatomy.lungs / rng.uniform(12.0, 25.0), 0.0, 1.0)
    downwards = np.clip(1.2 - (coarse.z - patient.base) / (patient.apex - patient.base), 0.0, 1.0)
    return np.asarray(texture + net * below * downwards * rng.uniform(250.0, 500.0))


def _paint_nodes(
    canvas: Canvas, patient: Patient, anatomy: Anatomy, coarse: Coarse, findings: Findings, rng: Rng
) -> None:
    """Lymph nodes: of the calibre of vessels, but hardly enhancing."""
    size = patient.scale
    stations: list[Point] = [anatomy.marks.carina]
    places = ((-25, 20, -20), (35, 25, -20), (-15, 0, 25), (20, 15, 15), (0, 35, -25), (2, 25, -18))
    hila = ((-44, 14, -28), (48, 22, -24))
    stations += [np.array(place) * size for place in places + hila]
    for _ in range(int(rng.integers(6, 20))):
        centre = stations[int(rng.integers(len(stations)))] + rng.normal(0.0, 7.0, 3)
        radii = rng.uniform(2.5, 9.0, 3)
        canvas.shape(
            coarse.ellipsoid(centre, radii), rng.normal(42.0, 8.0), float(np.clip(rng.normal(22.0, 16.0), 0.0, 70.0))
        )
        lime = rng.random()
        if findings.calcified_nodes and lime < 0.5:
            canvas.shape(coarse.ellipsoid(centre, np.maximum(0.5 * radii, 2.0)), 400.0 + 800.0 * lime)


def _paint_calcifications(canvas: Canvas, anatomy: Anatomy, coarse: Coarse, rng: Rng) -> None:
    """Lime in the wall of the aorta and in the coronary arteries over the heart."""
    marks = anatomy.marks
    for _ in range(int(rng.integers(2, 9))):
        place = int(rng.integers(1, 7))
        away = rng.normal(0.0, 1.0, 3) * (1.0, 1.0, 0.2)
        centre = marks.aorta[place] + away / np.linalg.norm(away) * marks.aorta_radii[place]
        canvas.shape(coarse.ellipsoid(centre, rng.uniform(2.0, 4.0, 3)), rng.normal(500.0, 150.0))
    for _ in range(int(rng.integers(0, 5))):
        centre = marks.aorta[0] + np.array([rng.uniform(5, 30), rng.uniform(-18, 5), rng.uniform(-35, -5)])
        canvas.shape(coarse.ellipsoid(centre, rng.uniform(1.5, 3.0, 3)), rng.normal(600.0, 150.0))
