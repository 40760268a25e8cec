"""Nodules and opacities: what lies in lungs that are scanned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pulmomap.phantom.anatomy import Anatomy, Lobe
from pulmomap.phantom.canvas import Box, Canvas
from pulmomap.phantom.fields import STEP, Coarse, Point

Kind = Literal["solid", "part-solid", "ground-glass"]
KINDS: tuple[Kind, ...] = ("solid", "part-solid", "ground-glass")


@dataclass(frozen=True)
class PhantomNodule:
    """Truth about one nodule.

    Attributes:
        centre: LPS mm.
        diameter: mm of the sphere before lobulation.
        lobe: value of :class:`Lobe`.
        kind: density.
        box: voxels that hold it. mask: its voxels in the box.
    """

    centre: Point
    diameter: float
    lobe: Lobe
    kind: Kind
    box: Box
    mask: NDArray[np.bool_]


def paint_nodules(
    canvas: Canvas, anatomy: Anatomy, coarse: Coarse, vessels: NDArray[np.uint8]
) -> tuple[PhantomNodule, ...]:
    """One to four nodules, 4 to 34 mm, anywhere in the lungs. Vessels run through them."""
    nodules = []
    for _ in range(int(coarse.rng.integers(1, 5))):
        places = coarse.sample((anatomy.lobes > 0) & (anatomy.lungs < -4.0), 1 / 50_000)
        if len(places):
            nodules.append(_paint_nodule(canvas, anatomy, coarse, vessels, places[0]))
    return tuple(nodules)


def _paint_nodule(
    canvas: Canvas, anatomy: Anatomy, coarse: Coarse, vessels: NDArray[np.uint8], centre: Point
) -> PhantomNodule:
    rng, grid = coarse.rng, coarse.grid
    diameter = float(np.clip(np.exp(rng.normal(np.log(11.0), 0.5)), 4.0, 34.0))
    kind = KINDS[int(rng.choice(3, p=[0.65, 0.15, 0.2]))]
    size = np.array(grid.shape[::-1])
    low = np.maximum(((centre - 0.9 * diameter - grid.origin) / grid.spacing).astype(int), 0)
    high = np.minimum(((centre + 0.9 * diameter - grid.origin) / grid.spacing).astype(int) + 2, size)
    stretch = rng.uniform(0.85, 1.15, 3)
    x, y, z = (
        (grid.origin[i] + np.arange(low[i], high[i]) * grid.spacing[i] - centre[i]) * stretch[i] for i in range(3)
    )
    radius = np.sqrt(z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2)
    lobulation = gaussian_filter(rng.standard_normal(radius.shape), 2.0 / grid.spacing[::-1])
    lobulation *= 0.05 * diameter / (lobulation.std() + 1e-6)
    voxel = float(grid.spacing.mean())
    share = np.clip((diameter / 2 - radius + lobulation) / voxel + 0.5, 0.0, 1.0).astype(np.float32)
    box = (slice(low[2], high[2]), slice(low[1], high[1]), slice(low[0], high[0]))
    plain = {"solid": rng.normal(35.0, 15.0), "part-solid": rng.normal(-300.0, 60.0)}.get(
        kind, rng.normal(-600.0, 60.0)
    )
    gain = float(np.clip(rng.normal(30.0, 20.0), 0.0, 90.0)) if kind == "solid" else 5.0
    # Denser tissue (a vessel, the chest wall) shines through a fainter nodule.
    visible = share * (vessels[box] == 0) * (canvas.plain[box] < plain)
    canvas.voxels(visible.astype(np.float32), plain, gain, box)
    cell = tuple(round((centre[2 - axis] - coarse.axes[axis][0]) / STEP) for axis in range(3))
    lobe = Lobe(max(1, int(anatomy.lobes[cell])))
    return PhantomNodule(centre, diameter, lobe, kind, box, share > 0.5)


def paint_opacities(canvas: Canvas, anatomy: Anatomy, coarse: Coarse) -> None:
    """Consolidation, atelectasis or ground glass at the pleura; now and then an effusion.

    Painted before the vessels, which stay visible to the network's target even where the eye loses them.
    """
    rng = coarse.rng
    for _ in range(int(rng.integers(0, 3))):
        places = coarse.sample((anatomy.lobes > 0) & (anatomy.lungs > -14.0), 1 / 20_000)
        if len(places):
            shape = coarse.ellipsoid(places[0], rng.uniform(8.0, 30.0, 3)) + coarse.irregular(3.0, 9.0)
            plain = float(rng.choice([-600.0, -450.0, 10.0, 30.0]))
            gain = float(np.clip(rng.normal(25.0, 15.0), 0.0, 60.0))
            canvas.shape(np.maximum(shape, anatomy.lungs), plain, gain, softness=rng.uniform(1.0, 8.0))
    if rng.random() < 0.25:
        side = float(rng.choice([-1.0, 1.0]))
        level = rng.uniform(30.0, 70.0)
        effusion = np.maximum.reduce([anatomy.lungs, level - coarse.y, 5.0 - side * coarse.x])
        canvas.shape(effusion.astype(np.float32), rng.normal(12.0, 5.0), 2.0)
