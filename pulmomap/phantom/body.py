"""One patient as a continuous description, before any scanner sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from pulmomap.phantom.anatomy import Anatomy, build
from pulmomap.phantom.breath import Breath
from pulmomap.phantom.fields import Coarse, Field, Point
from pulmomap.phantom.findings import Findings, draw_findings
from pulmomap.phantom.nodules import NodulePlan, plan_nodules
from pulmomap.phantom.opacities import Opacity, plan_opacities
from pulmomap.phantom.population import BloodPool, Patient, draw_blood, draw_patient
from pulmomap.phantom.space import Branching
from pulmomap.phantom.threads import Threads
from pulmomap.phantom.trees import Vasculature, grow
from pulmomap.phantom.variants import Variants, draw_variants

# What each random stream decides; a stream does not feel how much another one was asked for.
STREAMS = ("patient", "findings", "shape", "trees", "lesions", "texture", "values", "scan", "noise", "breath")


Vessels = TypeVar("Vessels", Branching, Threads)


@dataclass(frozen=True)
class Body:
    """A patient at rest, or after a breath.

    Attributes:
        seed: what everything is drawn from.
        patient, blood, findings, variants: the parameters.
        coarse, anatomy: shapes. trees: airways and vessels, LPS mm.
        nodules, opacities: plans of the lesions, in resting coordinates.
        breath: how the body came here from rest; None at rest.
        stretch: the lung's volume relative to rest at each coarse cell; None at rest.
    """

    seed: int
    patient: Patient
    blood: BloodPool
    findings: Findings
    variants: Variants
    coarse: Coarse
    anatomy: Anatomy
    trees: Vasculature
    nodules: tuple[NodulePlan, ...]
    opacities: tuple[Opacity, ...]
    breath: Breath | None = None
    stretch: Field | None = None

    def now(self, points: Point) -> Point:
        """Where resting points (..., 3), LPS mm, are in this body."""
        if self.breath is None:
            return points
        return np.asarray(points + self.breath.displacement(points.reshape(-1, 3)).reshape(points.shape), dtype=float)


def stream(seed: int, name: str) -> np.random.Generator:
    """The random stream of a seed that decides ``name``, from its beginning."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAMS.index(name),)))


def compose(seed: int, switches: Sequence[str] = ()) -> Body:
    """Draw a patient at rest.

    Args:
        seed: selects the patient.
        switches: findings to add or take away (:mod:`pulmomap.phantom.findings`).

    Raises:
        ValueError: if a switch is unknown.
    """
    findings = draw_findings(stream(seed, "findings"), switches)
    rng = stream(seed, "patient")
    patient, blood = draw_patient(rng, arms_up=not findings.arms_down), draw_blood(rng)
    low, high = view(patient)
    coarse = Coarse(low, high, stream(seed, "shape"))
    anatomy = build(patient, coarse)
    coarse.rng = stream(seed, "trees")
    variants = draw_variants(coarse.rng)
    trees = grow(patient, variants, anatomy, coarse)
    coarse.rng = stream(seed, "lesions")
    nodules = plan_nodules(anatomy, coarse, trees)
    opacities = plan_opacities(patient, anatomy, coarse, findings)
    return Body(seed, patient, blood, findings, variants, coarse, anatomy, trees, nodules, opacities)


def breathed(body: Body, breath: Breath) -> Body:
    """The same patient at another breath level: every shape and every vessel displaced, the lungs' density changed."""
    low, high = view(body.patient)
    reach = np.array([10.0, 10.0, abs(breath.descent) + 10.0])
    coarse = Coarse(low - reach, high + reach, stream(body.seed, "shape"))
    points = np.stack([coarse.x, coarse.y, coarse.z], axis=-1)
    material = np.moveaxis(breath.resting(points), -1, 0).astype(np.float32)
    coarse = Coarse(low - reach, high + reach, stream(body.seed, "shape"), material)
    anatomy = build(body.patient, coarse)

    def moved(vessels: Vessels) -> Vessels:
        places = np.array(vessels.tree.points)
        return replace(vessels, tree=replace(vessels.tree, points=list(places + breath.displacement(places))))

    at_rest = body.trees
    trees = Vasculature(
        moved(at_rest.airways),
        at_rest.airway_wall,
        moved(at_rest.arteries),
        moved(at_rest.veins),
        moved(at_rest.artery_threads),
        moved(at_rest.vein_threads),
    )
    return replace(body, coarse=coarse, anatomy=anatomy, trees=trees, breath=breath, stretch=breath.stretch(coarse))


def view(patient: Patient) -> tuple[Point, Point]:
    """Corners of the field of view: the body's width and depth, the lungs' height with a margin, LPS mm."""
    wide, deep = patient.body
    front = deep + 8.0 + (0.5 * patient.breast if patient.breast > 15.0 else 0.0)
    low = [-min(wide + 12, 205.0), -min(front, 185.0), patient.base - 65.0 - abs(patient.breath)]
    return np.array(low), np.array([min(wide + 12, 205.0), min(deep + 20, 170.0), patient.apex + 25.0])
