"""Paints the body without the pulmonary vessels: wall, bones, abdomen, lungs, mediastinum, heart.

HU and enhancement are those of the radiology literature with a spread a patient; what takes up little contrast (muscle,
liver, nodes, oesophagus) is painted with its own small gain, so that a network learns what stays dark.
"""

from __future__ import annotations

import numpy as np

from pulmomap.phantom.anatomy import Anatomy
from pulmomap.phantom.canvas import Canvas
from pulmomap.phantom.fields import Coarse, Field, Point
from pulmomap.phantom.population import BloodPool, Patient

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


def paint_body(canvas: Canvas, patient: Patient, anatomy: Anatomy, coarse: Coarse) -> None:
    """Skin, fat, muscle, ribs, sternum, scapulae, abdomen."""
    rng, cavity = coarse.rng, anatomy.cavity
    wide, deep = patient.body
    round_ = np.abs(coarse.x / wide) ** 2.4 + np.abs(coarse.y / deep) ** 2.4
    body = np.asarray((round_ ** (1 / 2.4) - 1.0) * deep + 0.5 * anatomy.warp, dtype=np.float32)
    canvas.shape(body, -60.0, 5.0)
    canvas.shape(body + 2.0, rng.normal(-103.0, 5.0))
    muscle = np.maximum(cavity - 0.9 * patient.wall, body + max(3.0, 0.8 * patient.fat))
    canvas.shape(muscle, rng.normal(52.0, 5.0), rng.normal(12.0, 4.0))
    canvas.shape(cavity - 1.5, -95.0)
    _paint_bones(canvas, patient, anatomy, coarse, body)
    _paint_abdomen(canvas, patient, anatomy, coarse)


def _paint_bones(canvas: Canvas, patient: Patient, anatomy: Anatomy, coarse: Coarse, body: Field) -> None:
    rng, size, cavity = coarse.rng, patient.scale, anatomy.cavity
    rib = np.full(cavity.shape, 99.0, dtype=np.float32)
    for number in range(11):
        height = patient.apex - 10 - number * (patient.apex - patient.base) / 9.5
        across = coarse.z - (height + 0.42 * coarse.y)
        rib = np.minimum(rib, np.hypot(cavity - 9 * size, 0.85 * across) - 5.2 * size)
    rib = np.maximum(rib, (18.0 - np.abs(coarse.x)) * 0.7)
    canvas.shape(rib, float(np.clip(rng.normal(650.0, 120.0), 350.0, 1000.0)))
    canvas.shape(rib + 3.0, rng.normal(220.0, 40.0))
    sternum = np.array([0.0, -1.02 * patient.half_depth - 10, 20.0])
    canvas.shape(coarse.ellipsoid(sternum, np.array([20, 7, 85]) * size), rng.normal(180.0, 40.0), 5.0)
    for side in (-1.0, 1.0):
        u, v = 0.8 * coarse.x + side * 0.55 * coarse.y, 0.8 * coarse.y - side * 0.55 * coarse.x
        flat = [(u - side * 95.4 * size) / (38 * size), (v - 5.1 * size) / 5.0, (coarse.z - 50 * size) / (55 * size)]
        scapula = (np.sqrt(sum(part**2 for part in flat)) - 1.0) * 5.0
        canvas.shape(np.maximum(scapula, body + 4.0).astype(np.float32), rng.normal(500.0, 80.0))


def _paint_abdomen(canvas: Canvas, patient: Patient, anatomy: Anatomy, coarse: Coarse) -> None:
    rng, size, abdomen = coarse.rng, patient.scale, anatomy.shapes["abdomen"]
    canvas.shape(abdomen, rng.normal(-100.0, 8.0))
    liver = np.maximum(abdomen + 1.0, coarse.x - 25 * size - 0.35 * (patient.base - 20 - coarse.z))
    canvas.shape(liver.astype(np.float32), rng.normal(56.0, 8.0), float(np.clip(rng.normal(45.0, 20.0), 5.0, 100.0)))
    spleen = coarse.ellipsoid(np.array([75 * size, 45 * size, patient.base + 2]), np.array([38, 38, 48]) * size)
    canvas.shape(np.maximum(abdomen + 2.0, spleen), rng.normal(48.0, 5.0), rng.normal(75.0, 20.0))
    stomach = coarse.ellipsoid(np.array([48 * size, -25 * size, patient.base]), np.array([42, 32, 38]) * size)
    canvas.shape(np.maximum(abdomen + 3.0, stomach), rng.normal(25.0, 15.0), 5.0)


def paint_chest(canvas: Canvas, patient: Patient, anatomy: Anatomy, coarse: Coarse, blood: BloodPool) -> None:
    """Lungs, mediastinal fat, spine, heart and great vessels (all but the pulmonary trees)."""
    rng, size, shapes = coarse.rng, patient.scale, anatomy.shapes
    solid = np.minimum(shapes["mediastinum"], shapes["hila"])
    canvas.shape(np.maximum(solid, anatomy.cavity - 2.0), rng.normal(-92.0, 8.0))
    _paint_lungs(canvas, patient, anatomy, coarse)
    canvas.shape(shapes["spine"], rng.normal(190.0, 40.0), 10.0)
    spinous = (np.hypot(coarse.x / (9 * size), (coarse.y - 108 * size) / (24 * size)) - 1.0) * 9 * size
    canvas.shape(spinous.astype(np.float32), rng.normal(400.0, 60.0))
    canal = (np.hypot(coarse.x / (9 * size), (coarse.y - 97 * size) / (8 * size)) - 1.0) * 8 * size
    canvas.shape(canal.astype(np.float32), 30.0)
    canvas.shape(shapes["pericardium"], rng.normal(-85.0, 12.0))
    canvas.shape(shapes["oesophagus"], rng.normal(38.0, 6.0), 15.0)
    _paint_nodes(canvas, patient, anatomy, coarse)
    canvas.shape(shapes["heart"] - 1.5, rng.normal(45.0, 4.0), rng.normal(45.0, 12.0))
    canvas.shape(shapes["myocardium"], rng.normal(47.0, 4.0), rng.normal(70.0, 15.0))
    for name, compartment in COMPARTMENTS.items():
        canvas.shape(shapes[name], blood.plain + rng.normal(0.0, 1.5), getattr(blood, compartment))
    _paint_calcifications(canvas, anatomy, coarse)


def _paint_lungs(canvas: Canvas, patient: Patient, anatomy: Anatomy, coarse: Coarse) -> None:
    rng = coarse.rng
    gravity = coarse.y / patient.half_depth * rng.normal(22.0, 8.0)
    level = float(np.clip(rng.normal(-850.0, 30.0), -910.0, -760.0))
    texture = coarse.onto_voxels((level + gravity + coarse.irregular(10.0, 12.0)).astype(np.float32))
    septum = np.maximum(anatomy.lungs, 1.0 - np.abs(coarse.x))
    canvas.shape(septum.astype(np.float32), texture)
    fissure = np.clip(1.0 - coarse.onto_voxels(np.minimum(anatomy.fissure, 20.0)) / 0.8, 0.0, 1.0)
    inside = canvas.share(anatomy.lungs)
    canvas.voxels((fissure * inside * rng.uniform(0.05, 0.35)).astype(np.float32), -350.0, 0.0)


def _paint_nodes(canvas: Canvas, patient: Patient, anatomy: Anatomy, coarse: Coarse) -> None:
    """Lymph nodes: of the calibre of vessels, but hardly enhancing."""
    rng, size = coarse.rng, patient.scale
    stations: list[Point] = [anatomy.marks.carina]
    places = ((-25, 20, -20), (35, 25, -20), (-15, 0, 25), (20, 15, 15), (0, 35, -25))
    stations += [np.array(place) * size for place in places]
    for _ in range(int(rng.integers(3, 12))):
        centre = stations[int(rng.integers(len(stations)))] + rng.normal(0.0, 7.0, 3)
        node = coarse.ellipsoid(centre, rng.uniform(2.5, 8.0, 3))
        canvas.shape(node, rng.normal(42.0, 8.0), float(np.clip(rng.normal(25.0, 18.0), 0.0, 80.0)))


def _paint_calcifications(canvas: Canvas, anatomy: Anatomy, coarse: Coarse) -> None:
    rng, marks = coarse.rng, anatomy.marks
    if rng.random() > 0.35:
        return
    for _ in range(int(rng.integers(1, 6))):
        place = int(rng.integers(1, 7))
        away = rng.normal(0.0, 1.0, 3) * (1.0, 1.0, 0.2)
        centre = marks.aorta[place] + away / np.linalg.norm(away) * marks.aorta_radii[place]
        canvas.shape(coarse.ellipsoid(centre, rng.uniform(2.0, 4.0, 3)), rng.normal(500.0, 150.0))
