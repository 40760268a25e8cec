"""Paints what surrounds the lungs: skin, fat, muscle, breasts, bones, arms, abdomen, table."""

from __future__ import annotations

import numpy as np

from pulmomap.phantom.anatomy import Anatomy
from pulmomap.phantom.canvas import Canvas
from pulmomap.phantom.fields import Coarse, Field, Point
from pulmomap.phantom.population import BloodPool, Patient

Rng = np.random.Generator


def paint_wall(canvas: Canvas, patient: Patient, anatomy: Anatomy, coarse: Coarse, rng: Rng) -> None:
    """Table, skin, fat, muscle, breasts, bones, arms."""
    body = _body(patient, anatomy, coarse)
    _paint_table(canvas, patient, coarse)
    canvas.shape(body, rng.normal(10.0, 15.0), 8.0)
    # Fat is not one grey: septa and small vessels run through it.
    fat = rng.normal(-103.0, 5.0) + coarse.irregular(4.0, 8.0)
    canvas.shape(body + 2.0, fat.astype(np.float32))
    _paint_breasts(canvas, patient, body, coarse, rng)
    _paint_muscle(canvas, patient, anatomy, body, coarse, rng)
    canvas.shape(anatomy.cavity - 1.5, -95.0)
    _paint_bones(canvas, patient, anatomy, coarse, body, rng)
    if not patient.arms_up:
        _paint_arms(canvas, patient, coarse, rng)


def paint_abdomen(
    canvas: Canvas, patient: Patient, anatomy: Anatomy, coarse: Coarse, blood: BloodPool, rng: Rng
) -> None:
    """Fat, liver with its veins, spleen, stomach below the domes."""
    size, abdomen = patient.scale, anatomy.shapes["abdomen"]
    canvas.shape(abdomen, rng.normal(-100.0, 8.0))
    liver = np.maximum(abdomen + 1.0, coarse.x - 25 * size - 0.35 * (patient.base - 20 - coarse.z)).astype(np.float32)
    parenchyma = (rng.normal(56.0, 9.0) + coarse.irregular(2.5, 9.0)).astype(np.float32)
    canvas.shape(liver, parenchyma, float(np.clip(rng.normal(35.0, 20.0), 3.0, 100.0)))
    _paint_hepatic_veins(canvas, patient, anatomy, liver, coarse, blood, rng)
    spleen = coarse.ellipsoid(np.array([75 * size, 45 * size, patient.base + 2]), np.array([38, 38, 48]) * size)
    canvas.shape(np.maximum(abdomen + 2.0, spleen), rng.normal(48.0, 5.0), rng.normal(75.0, 20.0))
    stomach = coarse.ellipsoid(np.array([48 * size, -25 * size, patient.base]), np.array([42, 32, 38]) * size)
    canvas.shape(np.maximum(abdomen + 3.0, stomach), rng.normal(25.0, 15.0), 5.0)


def _body(patient: Patient, anatomy: Anatomy, coarse: Coarse) -> Field:
    wide, deep = patient.body
    round_ = np.abs(coarse.x / wide) ** 2.4 + np.abs(coarse.y / deep) ** 2.4
    trunk = np.asarray((round_ ** (1 / 2.4) - 1.0) * deep + 0.5 * anatomy.warp, dtype=np.float32)
    return np.minimum(trunk, _breasts(patient, coarse)) if patient.breast > 15.0 else trunk


def _breasts(patient: Patient, coarse: Coarse) -> Field:
    deep, radius = patient.body[1], patient.breast
    sides = []
    for side in (-1.0, 1.0):
        centre = np.array([side * 0.62 * patient.half_width, 0.30 * radius - deep, -25.0 * patient.scale])
        sides.append(coarse.ellipsoid(centre, radius * np.array([1.15, 0.8, 1.1])))
    return np.minimum(*sides)


def _paint_breasts(canvas: Canvas, patient: Patient, body: Field, coarse: Coarse, rng: Rng) -> None:
    """Glandular tissue: as dense as blood, hardly brighter with contrast."""
    inside = np.maximum(_breasts(patient, coarse) + 0.12 * patient.breast, body + 4.0)
    strands = coarse.irregular(1.0, 5.0) + coarse.irregular(0.8, 12.0)
    threshold = float(np.quantile(strands, 1.0 - patient.glandular))
    gland = np.maximum(inside, 3.0 * (threshold - strands))
    canvas.shape(gland.astype(np.float32), rng.normal(32.0, 8.0), float(np.clip(rng.normal(12.0, 6.0), 0.0, 30.0)))


def _paint_muscle(canvas: Canvas, patient: Patient, anatomy: Anatomy, body: Field, coarse: Coarse, rng: Rng) -> None:
    """The wall's muscles, shoulder girdle, pectorals, latissimus, erector spinae, with fat between their bundles."""
    size, wide, deep = patient.scale, patient.half_width, patient.half_depth
    wall = patient.wall * patient.muscle
    parts = [anatomy.cavity - 0.9 * wall]
    for side in (-1.0, 1.0):
        shoulder = np.array([side * 0.95 * wide, 8.0, patient.apex - 8])
        parts.append(coarse.ellipsoid(shoulder, np.array([58, 46, 62]) * size * patient.muscle))
        pectoral = np.array([side * 0.5 * wide, -deep - 10, 35 * size])
        parts.append(coarse.ellipsoid(pectoral, np.array([62, 13, 52]) * size * patient.muscle))
        latissimus = np.array([side * (wide + 8), 0.35 * deep, -15 * size])
        parts.append(coarse.ellipsoid(latissimus, np.array([15, 42, 105]) * size * patient.muscle))
        spine = [np.array([side * 26 * size, deep + 14 * size, z]) for z in (-230.0, 130.0)]
        parts.append(coarse.tube(spine, 19 * size * patient.muscle))
    muscle = np.maximum(np.minimum.reduce(parts) + 0.7 * anatomy.warp, body + max(3.0, 0.7 * patient.fat))
    plain = rng.normal(53.0, 6.0) + coarse.irregular(6.0, 5.0)
    # Planes of fat between the bundles: where a smooth field crosses zero.
    planes = np.abs(coarse.irregular(1.0, 9.0))
    marbling = 0.06 + 0.14 * float(rng.random()) * patient.age / 60.0
    plain = np.where(planes < marbling, plain - 110.0 * (1 - planes / marbling), plain)
    canvas.shape(muscle.astype(np.float32), plain.astype(np.float32), rng.normal(11.0, 4.0))


def _paint_bones(canvas: Canvas, patient: Patient, anatomy: Anatomy, coarse: Coarse, body: Field, rng: Rng) -> None:
    size, cavity = patient.scale, anatomy.cavity
    rib = np.full(cavity.shape, 99.0, dtype=np.float32)
    for number in range(11):
        height = patient.apex - 10 - number * (patient.apex - patient.base) / 9.5
        across = coarse.z - (height + 0.42 * coarse.y)
        rib = np.minimum(rib, np.hypot(cavity - 9 * size, 0.85 * across) - 5.2 * size)
    rib = np.maximum(rib, (18.0 - np.abs(coarse.x)) * 0.7)
    canvas.shape(rib, float(np.clip(rng.normal(650.0, 120.0), 350.0, 1000.0)))
    canvas.shape(rib + 3.0, rng.normal(220.0, 40.0))
    sternum = coarse.ellipsoid(np.array([0.0, -1.02 * patient.half_depth - 10, 20.0]), np.array([20, 7, 85]) * size)
    canvas.shape(sternum, rng.normal(420.0, 60.0), 0.0)
    canvas.shape(sternum + 2.5, rng.normal(160.0, 40.0), 5.0)
    for side in (-1.0, 1.0):
        u, v = 0.8 * coarse.x + side * 0.55 * coarse.y, 0.8 * coarse.y - side * 0.55 * coarse.x
        flat = [(u - side * 95.4 * size) / (38 * size), (v - 5.1 * size) / 5.0, (coarse.z - 50 * size) / (55 * size)]
        scapula = (np.sqrt(sum(part**2 for part in flat)) - 1.0) * 5.0
        canvas.shape(np.maximum(scapula, body + 4.0).astype(np.float32), rng.normal(500.0, 80.0))
        _paint_clavicle(canvas, patient, coarse, side, rng)


def _paint_clavicle(canvas: Canvas, patient: Patient, coarse: Coarse, side: float, rng: Rng) -> None:
    inner = np.array([side * 16.0, -0.9 * patient.half_depth, patient.apex - 38])
    outer = np.array([side * (patient.half_width + 18), -5.0, patient.apex + 2])
    clavicle = coarse.tube([inner, (inner + outer) / 2 + np.array([0.0, -12.0, 0.0]), outer], 6.0 * patient.scale)
    canvas.shape(clavicle, rng.normal(600.0, 80.0))
    canvas.shape(clavicle + 3.0, rng.normal(200.0, 40.0))


def _paint_arms(canvas: Canvas, patient: Patient, coarse: Coarse, rng: Rng) -> None:
    for side in (-1.0, 1.0):
        x = side * (patient.body[0] + 38.0)
        line: list[Point] = [np.array([x, 10.0, 140.0]), np.array([x + side * 8, 20.0, -330.0])]
        canvas.shape(coarse.tube(line, 46.0), -100.0)
        canvas.shape(coarse.tube(line, 46.0 - 0.3 * patient.fat), rng.normal(55.0, 5.0), 10.0)
        canvas.shape(coarse.tube(line, 12.0), rng.normal(1100.0, 100.0))
        canvas.shape(coarse.tube(line, 6.5), rng.normal(40.0, 30.0))


def _paint_table(canvas: Canvas, patient: Patient, coarse: Coarse) -> None:
    top = patient.body[1] + 6.0 - (coarse.x / 40.0) ** 2
    board = np.abs(coarse.y - top - 12.0) - 12.0
    canvas.shape(board.astype(np.float32), -180.0)
    canvas.shape((board + 3.0).astype(np.float32), -930.0)


def _paint_hepatic_veins(
    canvas: Canvas, patient: Patient, anatomy: Anatomy, liver: Field, coarse: Coarse, blood: BloodPool, rng: Rng
) -> None:
    """Vessels that the contrast has not reached yet: hardly brighter with it, darker than the liver."""
    size, root = patient.scale, anatomy.marks.inferior_cava[1]
    gain = float(np.clip(rng.normal(25.0, 15.0), 0.0, 70.0))
    for end in ((-95, 20, -30), (-70, -55, -35), (-25, -70, -30)):
        tip = np.array(end) * size + [0.0, 0.0, root[2]] + rng.normal(0.0, 8.0, 3)
        vein = coarse.tube([root, (root + tip) / 2 + rng.normal(0.0, 6.0, 3), tip], [6.0, 4.5, 2.5])
        canvas.shape(np.maximum(vein, liver + 3.0).astype(np.float32), blood.plain, gain)
