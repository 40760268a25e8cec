"""Nodules: where they lie, what they are like, and their voxels.

A nodule is planned in the resting body and painted wherever the body has moved to; it moves as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pulmomap.phantom.anatomy import Anatomy
from pulmomap.phantom.canvas import Canvas
from pulmomap.phantom.fields import Box, Coarse, Grid, Point
from pulmomap.phantom.lobes import Lobe
from pulmomap.phantom.trees import Vasculature

Kind = Literal["solid", "part-solid", "ground-glass"]
Place = Literal["free", "juxtavascular", "juxtapleural"]
KINDS: tuple[Kind, ...] = ("solid", "part-solid", "ground-glass")
PLACES: tuple[Place, ...] = ("free", "juxtavascular", "juxtapleural")
SMALLEST, LARGEST = 4.0, 30.0


@dataclass(frozen=True)
class NodulePlan:
    """One nodule of a resting body.

    Attributes:
        centre: LPS mm. diameter: mm of the sphere before lobulation.
        lobe: where it lies. kind: density. place: what it touches.
        spicules: directions (n, 3) of its spikes; none for a smooth one.
        lobulation: deviation of its surface relative to the diameter.
        stretch: of its axes. core: diameter of the solid part of a part-solid nodule, relative to the whole.
        plain, gain: HU without contrast, and what contrast adds.
        seed: of its surface.
    """

    centre: Point
    diameter: float
    lobe: Lobe
    kind: Kind
    place: Place
    spicules: Point
    lobulation: float
    stretch: Point
    core: float
    plain: float
    gain: float
    seed: int


@dataclass(frozen=True)
class PhantomNodule:
    """Truth about one nodule of a scan: its plan, its voxels ``mask`` in the ``box``, and where its centre is now."""

    plan: NodulePlan
    centre: Point
    box: Box
    mask: NDArray[np.bool_]

    @property
    def diameter(self) -> float:
        """mm."""
        return self.plan.diameter

    @property
    def lobe(self) -> Lobe:
        """Where it lies."""
        return self.plan.lobe

    @property
    def kind(self) -> Kind:
        """Its density."""
        return self.plan.kind


def plan_nodules(anatomy: Anatomy, coarse: Coarse, trees: Vasculature) -> tuple[NodulePlan, ...]:
    """One to four nodules of 4 to 30 mm in any lobe. Draws from ``coarse.rng``."""
    plans: list[NodulePlan] = []
    for _ in range(int(coarse.rng.integers(1, 5))):
        plan = _plan(anatomy, coarse, trees)
        apart = [np.linalg.norm(plan.centre - other.centre) > (plan.diameter + other.diameter) for other in plans]
        if all(apart):
            plans.append(plan)
    return tuple(plans)


def _plan(anatomy: Anatomy, coarse: Coarse, trees: Vasculature) -> NodulePlan:
    rng = coarse.rng
    diameter = float(np.clip(np.exp(rng.normal(np.log(11.0), 0.5)), SMALLEST, LARGEST))
    kind = KINDS[int(rng.choice(3, p=[0.65, 0.15, 0.2]))]
    place = PLACES[int(rng.choice(3, p=[0.45, 0.3, 0.25]))]
    centre = _centre(anatomy, coarse, trees, diameter, place)
    spiculated = kind != "ground-glass" and rng.random() < 0.35
    spicules = rng.normal(size=(int(rng.integers(8, 18)) if spiculated else 0, 3))
    spicules /= np.linalg.norm(spicules, axis=1, keepdims=True) + 1e-9
    plain = {"solid": rng.normal(32.0, 15.0), "part-solid": rng.normal(-480.0, 60.0)}.get(
        kind, rng.normal(-600.0, 60.0)
    )
    return NodulePlan(
        centre=centre,
        diameter=diameter,
        lobe=Lobe(max(1, int(coarse.at(anatomy.lobes, centre[None])[0]))),
        kind=kind,
        place=place,
        spicules=spicules,
        lobulation=float(rng.uniform(0.01, 0.08)),
        stretch=rng.uniform(0.85, 1.15, 3),
        core=float(rng.uniform(0.35, 0.7)),
        plain=float(plain),
        gain=float(np.clip(rng.normal(30.0, 20.0), 0.0, 90.0)) if kind == "solid" else 8.0,
        seed=int(rng.integers(2**31)),
    )


def _centre(anatomy: Anatomy, coarse: Coarse, trees: Vasculature, diameter: float, place: Place) -> Point:
    rng, inside = coarse.rng, anatomy.lobes > 0
    if place == "juxtavascular":
        tree = (trees.arteries, trees.veins)[int(rng.integers(2))]
        size = (tree.radii > 0.9) & (tree.radii < 3.5) & (np.array(tree.tree.lobes) > 0)
        node = int(rng.choice(np.flatnonzero(size)))
        away = rng.normal(size=3)
        beside = tree.tree.points[node] + away / np.linalg.norm(away) * (tree.radii[node] + 0.42 * diameter)
        if coarse.at(anatomy.lungs, beside[None])[0] < -0.3 * diameter:
            return np.asarray(beside)
    if place == "juxtapleural":
        inside = inside & (anatomy.lungs > -0.5 * diameter - 2.0) & (anatomy.lungs < -0.25 * diameter)
    else:
        inside = inside & (anatomy.lungs < -0.6 * diameter - 2.0)
    if not inside.any():
        inside = anatomy.lobes > 0
    return np.asarray(coarse.sample(inside, 8.0 / (inside.sum() * 27.0))[0])


def paint_nodule(canvas: Canvas, plan: NodulePlan, centre: Point, vessels: NDArray[np.uint8]) -> PhantomNodule | None:
    """Paint a nodule at ``centre`` (LPS mm); None where it is out of view. Vessels run on through it."""
    box, offsets = _around(canvas.grid, centre, 0.95 * plan.diameter + 2.0)
    if 0 in offsets[0].shape:
        return None
    inside = _surface(plan, offsets, canvas.grid)
    voxel = float(canvas.grid.spacing.mean())
    share = np.clip(inside / voxel + 0.5, 0.0, 1.0).astype(np.float32)
    # Denser tissue (a vessel, the chest wall) shines through a fainter nodule.
    visible = share * (vessels[box] == 0) * (canvas.plain[box] < plan.plain)
    canvas.voxels(visible.astype(np.float32), plan.plain, plan.gain, box)
    if plan.kind == "part-solid":
        core = np.clip((inside - 0.5 * plan.diameter * (1.0 - plan.core)) / voxel + 0.5, 0.0, 1.0)
        canvas.voxels((core * (vessels[box] == 0)).astype(np.float32), 25.0, 25.0, box)
    return PhantomNodule(plan, centre, box, share > 0.5)


def _around(grid: Grid, centre: Point, reach: float) -> tuple[Box, list[NDArray[np.float64]]]:
    """The box of voxels within ``reach`` mm, and their offsets x, y, z from the centre."""
    size = np.array(grid.shape[::-1])
    low = np.clip(((centre - reach - grid.origin) / grid.spacing).astype(int), 0, size)
    high = np.clip(((centre + reach - grid.origin) / grid.spacing).astype(int) + 2, low, size)
    lines = [grid.origin[i] + np.arange(low[i], high[i]) * grid.spacing[i] - centre[i] for i in range(3)]
    z, y, x = np.meshgrid(*lines[::-1], indexing="ij")
    return (slice(low[2], high[2]), slice(low[1], high[1]), slice(low[0], high[0])), [x, y, z]


def _surface(plan: NodulePlan, offsets: list[NDArray[np.float64]], grid: Grid) -> NDArray[np.float64]:
    """mm inside the nodule's surface at each voxel; negative outside."""
    x, y, z = (part * factor for part, factor in zip(offsets, plan.stretch, strict=True))
    radius = np.sqrt(x**2 + y**2 + z**2)
    bumps = gaussian_filter(np.random.default_rng(plan.seed).standard_normal(radius.shape), 2.0 / grid.spacing[::-1])
    inside = plan.diameter / 2 - radius + bumps * (plan.lobulation * plan.diameter / (bumps.std() + 1e-6))
    for spike in plan.spicules:
        along = x * spike[0] + y * spike[1] + z * spike[2]
        beside = np.sqrt(np.maximum(radius**2 - along**2, 0.0))
        thickness = 0.09 * plan.diameter * (1.0 - along / (0.9 * plan.diameter)) + 0.2
        inside = np.maximum(inside, np.where((along > 0) & (along < 0.9 * plan.diameter), thickness - beside, -99.0))
    return np.asarray(inside)
