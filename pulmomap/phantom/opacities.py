"""Diseased lung: consolidation, atelectasis, effusion, a mass at the hilum.

Planned in the resting body, for places are drawn from its cells; described in resting coordinates, so that the same
plan can be painted after a breath. Painted before the vessels, which stay in the truth even where the eye loses them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pulmomap.phantom.anatomy import Anatomy
from pulmomap.phantom.canvas import Canvas
from pulmomap.phantom.fields import Coarse, Field, Point
from pulmomap.phantom.findings import Findings
from pulmomap.phantom.population import Patient


@dataclass(frozen=True)
class Opacity:
    """An ellipsoid of denser tissue, mm and HU. ``name`` is its label; ``softness`` the width of its edge in voxels."""

    name: str
    centre: Point
    radii: Point
    plain: float
    gain: float
    softness: float
    whole: bool  # it reaches beyond the lung, as a tumour does


def plan_opacities(patient: Patient, anatomy: Anatomy, coarse: Coarse, findings: Findings) -> tuple[Opacity, ...]:
    """The opacities of a patient. Draws from ``coarse.rng``."""
    rng = coarse.rng
    plans: list[Opacity] = []
    if findings.consolidation:
        for place in _places(anatomy, coarse, anatomy.lungs > -14.0, int(rng.integers(1, 3))):
            plain = float(rng.choice([-600.0, -450.0, 10.0, 30.0]))
            radii, softness = rng.uniform(8.0, 30.0, 3), rng.uniform(1.0, 8.0)
            plans.append(Opacity("consolidation", place, radii, plain, _uptake(rng, 25.0), softness, False))
    if findings.atelectasis:
        low = coarse.z < patient.base + 60.0
        for place in _places(anatomy, coarse, low & (anatomy.lungs > -20.0), 1):
            radii = np.array([rng.uniform(15, 40), rng.uniform(10, 30), rng.uniform(2.0, 5.0)])
            plans.append(Opacity("atelectasis", place, radii, rng.normal(20, 15), _uptake(rng, 50.0), 1.5, False))
    if findings.mass:
        side = float(rng.choice([-1.0, 1.0]))
        place = np.array([side * rng.uniform(38, 60), rng.uniform(-10, 30), rng.uniform(-50, 15)]) * patient.scale
        plans += _mass(place, rng)
    return tuple(plans)


def _mass(place: Point, rng: np.random.Generator) -> list[Opacity]:
    """A tumour of one to four lumps, as real ones that have grown together with the nodes and vessels of a hilum."""
    plain, gain, lumps = rng.normal(35.0, 7.0), _uptake(rng, 22.0), int(rng.integers(1, 5))
    largest = 30.0 - 3.0 * lumps
    centres = place + np.vstack([np.zeros(3), rng.normal(0.0, 0.5 * largest, (lumps - 1, 3))])
    return [Opacity("mass", centre, rng.uniform(9.0, largest, 3), plain, gain, 1.5, True) for centre in centres]


def paint_opacities(
    canvas: Canvas, anatomy: Anatomy, coarse: Coarse, plans: tuple[Opacity, ...], effusion: Field | None
) -> dict[str, Field]:
    """Paint them, the effusion first; returns the signed distance (mm, coarse) of each name."""
    painted: dict[str, Field] = {}
    if effusion is not None:
        canvas.shape(effusion, 12.0, 2.0)
        painted["effusion"] = effusion
    for plan in plans:
        ragged = coarse.ellipsoid(plan.centre, plan.radii) + coarse.irregular(min(3.0, 0.4 * min(plan.radii)), 9.0)
        limit = anatomy.cavity + 2.0 if plan.whole else anatomy.lungs
        shape = np.maximum(ragged, limit).astype(np.float32)
        canvas.shape(shape, plan.plain, plan.gain, softness=plan.softness)
        before = painted.get(plan.name)
        painted[plan.name] = shape if before is None else np.minimum(before, shape)
    return painted


def effusion(anatomy: Anatomy, coarse: Coarse, findings: Findings, rng: np.random.Generator) -> Field | None:
    """Fluid behind one lung: its signed distance, mm; None without one."""
    if not findings.effusion:
        return None
    side, level = float(rng.choice([-1.0, 1.0])), float(rng.uniform(30.0, 70.0))
    behind = np.maximum.reduce([anatomy.lungs, level - coarse.y, 5.0 - side * coarse.x])
    return np.asarray(behind, dtype=np.float32)


def _places(anatomy: Anatomy, coarse: Coarse, where: NDArray[np.bool_], count: int) -> Point:
    inside = (anatomy.lobes > 0) & where
    return coarse.sample(inside, (count + 0.5) / (inside.sum() * 27.0)) if inside.any() else np.zeros((0, 3))


def _uptake(rng: np.random.Generator, mean: float) -> float:
    return float(np.clip(rng.normal(mean, 0.6 * mean), 0.0, 3.0 * mean))
