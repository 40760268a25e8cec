"""Where things are in the chest: landmarks and smooth shapes.

Frame of :mod:`pulmomap.phantom.fields`: LPS mm, carina at the origin. Landmarks are those of an average adult,
scaled and shifted per patient. Right is negative x: the right lung has three lobes, the heart's apex and the arch lie
left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pulmomap.phantom.fields import Coarse, Field, Point
from pulmomap.phantom.lobes import Fissures, divide_segments, find_fissures
from pulmomap.phantom.population import Patient

PLEURA = 1.0  # mm, with the fat below it
BULGING = (
    "aorta",
    "arch_branches",
    "superior_vena_cava",
    "brachiocephalic_veins",
    "inferior_vena_cava",
    "azygos",
    "oesophagus",
)


@dataclass(frozen=True)
class Hila:
    """How far a patient's hila lie from the average, mm: bronchus, artery and veins of a side together."""

    right: Point
    left: Point

    def moved(self, point: Point, scale: float) -> Point:
        """A landmark where this patient has it: as it was near the midline, off by all of it from 32 mm (of an average
        adult) on.
        """
        share = np.clip((abs(point[0]) / scale - 12.0) / 20.0, 0.0, 1.0)
        return np.asarray(point + share * (self.right if point[0] < 0 else self.left))


# SD, mm, sideways, forwards and upwards: by eye, from three scans (docs/phantom.md).
HILUM_SPREAD = np.array([2.5, 5.0, 4.0])


@dataclass(frozen=True)
class Landmarks:
    """Polylines and centres, mm; radii beside them."""

    carina: Point
    aorta: list[Point]
    aorta_radii: list[float]
    trunk: list[Point]
    right_artery: list[Point]
    left_artery: list[Point]
    superior_cava: list[Point]
    inferior_cava: list[Point]
    left_atrium: Point
    left_atrium_radii: Point
    ostia: dict[str, Point]
    hila: Hila


@dataclass(frozen=True)
class Anatomy:
    """Signed distances (mm, negative inside) and lobes on the coarse grid.

    Attributes:
        marks: landmarks.
        shapes: name -> signed distance of every solid organ.
        cavity: the inner chest. lungs: both lungs. fissures: between the lobes. fissure: distance to the nearest one.
        lobes: value of :class:`Lobe`, 0 outside. segments: value of :class:`Segment`.
        border: distance to the nearest plane between two segments of a lobe.
        warp: the irregularity that shapes share, mm.
    """

    marks: Landmarks
    shapes: dict[str, Field]
    cavity: Field
    lungs: Field
    fissures: Fissures
    lobes: NDArray[np.uint8]
    segments: NDArray[np.uint8]
    border: Field
    warp: Field

    @cached_property
    def fissure(self) -> Field:
        return self.fissures.distance()


def build(patient: Patient, coarse: Coarse) -> Anatomy:
    """The anatomy of a patient on a coarse grid. Draws from ``coarse.rng``."""
    marks = _landmarks(patient, coarse.rng)
    warp = coarse.irregular(2.0, 15.0)
    shapes = _vessels_and_heart(patient, marks, coarse)
    shapes |= _mediastinum(patient, marks, shapes, coarse, warp)
    cavity = _cavity(patient, coarse, warp)
    above, below = _diaphragm(patient, coarse, warp)
    solid = np.minimum.reduce([shapes[name] for name in ("pericardium", "mediastinum", "hila")])
    solid = np.minimum(solid, shapes["spine"] - 6.0)
    # Vessels and gullet that bulge into the chest are covered by the pleura: they are not lung.
    solid = np.minimum.reduce([solid] + [shapes[name] - PLEURA for name in BULGING])
    lungs = np.maximum.reduce([cavity, -solid, above])
    shapes["abdomen"] = np.maximum(cavity - 1.0, below)
    fissures = find_fissures(patient, coarse)
    lobes = fissures.lobes() * (lungs < 0).astype(np.uint8)
    segments, border = divide_segments(coarse, lobes)
    return Anatomy(marks, shapes, cavity, lungs, fissures, lobes, segments, border, warp)


def _landmarks(patient: Patient, rng: np.random.Generator) -> Landmarks:
    size = patient.scale

    def exact(*position: float) -> Point:
        return np.array(position) * size

    def near(*position: float) -> Point:
        return exact(*position) + rng.normal(0.0, 2.0, 3)

    hila = Hila(*(HILUM_SPREAD * np.clip(rng.normal(0.0, 1.0, 3), -2.0, 2.0) for _ in range(2)))
    right_artery = [near(-6, 0, -18), near(-28, 6, -21), near(-40, 10, -24)]
    left_artery = [near(30, 4, -3), near(39, 22, -2), near(47, 31, -14)]
    aorta = [exact(4, -12, -40), near(-14, -22, -12), near(-17, -14, 22), near(0, 2, 44), near(19, 26, 38)]
    aorta += [near(27, 46, 14), near(26, 52, -60), near(16, 54, -120), exact(10, 52, -200)]
    calibres = np.array([15, 15.5, 15, 14, 13, 12.5, 12, 11.5, 11]) * size * patient.calibre
    division = near(17, -14, -9)
    atrium = near(4, 24, -52)
    veins = {"right superior": (-27, -8, 10), "right inferior": (-26, 6, -6)}
    veins |= {"left superior": (28, -6, 12), "left inferior": (27, 8, -5)}
    return Landmarks(
        carina=near(0, 22, 0),
        aorta=aorta,
        aorta_radii=list(calibres),
        trunk=[exact(20, -46, -42), near(22, -35, -20), division],
        right_artery=[division, *(hila.moved(point, size) for point in right_artery)],
        left_artery=[division, *(hila.moved(point, size) for point in left_artery)],
        superior_cava=[exact(-22, -18, 85), near(-25, -14, 30), near(-27, -10, -36)],
        inferior_cava=[exact(-26, -4, -88), exact(-26, 12, -125), exact(-22, 20, -210)],
        left_atrium=atrium,
        left_atrium_radii=exact(30, 18, 24) * float(np.clip(rng.normal(1.0, 0.1), 0.8, 1.35)),
        ostia={name: atrium + exact(*offset) for name, offset in veins.items()},
        hila=hila,
    )


def _vessels_and_heart(patient: Patient, marks: Landmarks, coarse: Coarse) -> dict[str, Field]:
    rng, size = coarse.rng, patient.scale

    def near(*position: float) -> Point:
        return np.array(position) * size + rng.normal(0.0, 2.0, 3)

    def at(*position: float) -> Point:
        return np.array(position) * size

    left, left_radii = near(40, -18, -86), at(37, 35, 42)
    arch = marks.aorta
    branches = [
        coarse.tube([arch[3], near(-10, -8, 62), at(-22, -10, 100)], 5.5 * size),
        coarse.tube([arch[3] + 2.0, near(8, -2, 65), at(12, -8, 110)], 4.0 * size),
        coarse.tube([arch[4], near(20, 8, 66), at(32, 2, 110)], 4.5 * size),
    ]
    brachiocephalic = [
        coarse.tube([at(-22, -18, 80), near(5, -28, 72), at(40, -20, 95)], 6.0 * size),
        coarse.tube([at(-22, -18, 82), at(-38, -16, 105)], 6.5 * size),
    ]
    appendage = coarse.tube([near(22, 10, -48), near(36, 0, -40), near(44, -8, -31)], [9 * size, 8 * size, 6 * size])
    return {
        "left_atrium": np.minimum(coarse.ellipsoid(marks.left_atrium, marks.left_atrium_radii, 2.4), appendage),
        "right_atrium": coarse.ellipsoid(near(-30, -18, -64), at(24, 27, 32)),
        "right_ventricle": coarse.ellipsoid(near(6, -46, -78), at(40, 26, 34)),
        "myocardium": coarse.ellipsoid(left, left_radii),
        "left_ventricle": coarse.ellipsoid(left, left_radii - at(11, 11, 12)),
        "aorta": coarse.tube(arch, marks.aorta_radii),
        "arch_branches": np.minimum.reduce(branches),
        "superior_vena_cava": coarse.tube(marks.superior_cava, [8 * size, 9.5 * size, 10 * size]),
        "brachiocephalic_veins": np.minimum.reduce(brachiocephalic),
        "inferior_vena_cava": coarse.tube(marks.inferior_cava, 11 * size),
        "azygos": coarse.tube([at(-6, 58, -200), at(-7, 56, 0), at(-10, 45, 14), at(-24, 0, 12)], 4 * size),
        "oesophagus": coarse.tube([at(5, 44, 120), at(4, 38, 0), at(10, 40, -90), at(22, 25, -140)], 7 * size),
    }


def _mediastinum(
    patient: Patient, marks: Landmarks, shapes: dict[str, Field], coarse: Coarse, warp: Field
) -> dict[str, Field]:
    size = patient.scale
    heart = np.minimum.reduce(
        [
            shapes["left_atrium"],
            shapes["right_atrium"],
            shapes["right_ventricle"] - 3.0,
            shapes["myocardium"],
            coarse.tube(marks.aorta[:3], [radius + 3.0 for radius in marks.aorta_radii[:3]]),
            coarse.tube(marks.trunk, 15.0 * size),
        ]
    )
    fat = float(np.clip(coarse.rng.normal(6.0, 3.0), 2.0, 15.0))
    column = (np.hypot(coarse.x / (27 * size), (coarse.y - 15 * size) / (85 * size)) - 1.0) * 27 * size

    def at(*position: float) -> Point:
        return marks.hila.moved(np.array(position) * size, size)

    hila = [
        coarse.tube([marks.carina, at(-24, 24, -12), at(-38, 22, -26)], 13 * size),
        coarse.tube([marks.carina, at(30, 28, -14), at(44, 30, -22)], 12 * size),
        coarse.tube(marks.right_artery, 12 * size),
        coarse.tube(marks.left_artery, 12 * size),
        coarse.tube([marks.ostia["left superior"], at(36, 14, -22), at(46, 8, -6)], 9 * size),
        coarse.tube([marks.ostia["right superior"], at(-38, -3, -36), at(-44, -6, -20)], 9 * size),
    ]
    return {
        "heart": heart,
        "pericardium": heart - fat + 0.5 * warp,
        "mediastinum": np.asarray(column + 0.6 * warp, dtype=np.float32),
        "hila": np.minimum.reduce(hila),
        "spine": coarse.tube([at(0, 78, -220), at(0, 72, -60), at(0, 66, 40), at(0, 52, 130)], 19 * size),
    }


def _cavity(patient: Patient, coarse: Coarse, warp: Field) -> Field:
    height = np.clip((coarse.z - patient.base) / (patient.apex - patient.base), -0.5, 1.2)
    taper = 0.14 + 0.86 * np.sqrt(np.clip(1 - np.clip((height - 0.30) / 0.70, 0, 1) ** 2.6, 1e-4, 1))
    half_width = patient.half_width * taper * (1 - 0.10 * np.clip(0.3 - height, 0, 1))
    half_depth = patient.half_depth * (0.35 + 0.65 * taper)
    round_ = np.abs(coarse.x / half_width) ** 2.3 + np.abs((coarse.y - 6 * height) / half_depth) ** 2.3
    walls = (round_ ** (1 / 2.3) - 1.0) * np.minimum(half_width, half_depth) + warp
    return np.asarray(np.maximum(walls, coarse.z - patient.apex), dtype=np.float32)


def _diaphragm(patient: Patient, coarse: Coarse, warp: Field) -> tuple[Field, Field]:
    """Signed distances that are negative above the domes, and below them."""
    rng, size = coarse.rng, patient.scale

    def dome(centre: float, height: float, wide: float, deep: float) -> Field:
        top = patient.base + height * size + patient.breath + rng.normal(0.0, 4.0)
        fall = (coarse.x - centre * size) ** 2 / (2 * wide * size) + (coarse.y - 6 * size) ** 2 / (2 * deep * size)
        return np.asarray(coarse.z - (top - fall), dtype=np.float32)

    height = np.where(coarse.x < 0, dome(-62, 42, 95, 75), dome(62, 30, 90, 72))
    height = np.asarray(0.8 * height + 0.6 * warp, dtype=np.float32)
    return np.asarray(-height), np.asarray(height + np.float32(1.5))
