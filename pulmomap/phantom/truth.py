"""What each voxel of a painted body is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import grey_dilation
from scipy.spatial import cKDTree

from pulmomap.phantom.body import Body
from pulmomap.phantom.canvas import CLEAR, Canvas
from pulmomap.phantom.fields import Field, Grid
from pulmomap.phantom.lobes import Fissures, Lobe
from pulmomap.phantom.nodules import PhantomNodule
from pulmomap.phantom.space import Branching

ARTERY, VEIN = 1, 2
ORGANS = (
    "right_atrium",
    "right_ventricle",
    "myocardium",
    "left_ventricle",
    "left_atrium",
    "aorta",
    "superior_vena_cava",
    "inferior_vena_cava",
    "azygos",
    "oesophagus",
)
OPACITIES = ("consolidation", "atelectasis", "effusion", "mass")
LABELS = (
    {f"pulmonary_artery_level{level}": 1 + level for level in range(4)}
    | {f"pulmonary_vein_level{level}": 5 + level for level in range(4)}
    | {"airway_lumen": 9, "airway_wall": 10}
    | {name: 11 + number for number, name in enumerate(ORGANS)}
    | {f"lobe_{lobe.name.lower()}": 30 + lobe for lobe in Lobe}
    | {name: 36 + number for number, name in enumerate(OPACITIES)}
)
NODULE_LABEL = 40  # nodule_1 is 41
FIRST_LEVEL = {ARTERY: LABELS["pulmonary_artery_level0"], VEIN: LABELS["pulmonary_vein_level0"]}


@dataclass(frozen=True)
class Painted:
    """A body on the voxels of a scan.

    Attributes:
        canvas: tissue.
        vessels: uint8 0, ARTERY, VEIN.
        lumen, wall: bool, of the airways.
        lungs: uint8.
        nodules: where they are.
        opacities: name -> signed distance (mm) on the coarse grid.
    """

    canvas: Canvas
    vessels: NDArray[np.uint8]
    lumen: NDArray[np.bool_]
    wall: NDArray[np.bool_]
    lungs: NDArray[np.uint8]
    nodules: tuple[PhantomNodule, ...]
    opacities: dict[str, Field]


def labels(body: Body, painted: Painted, lobes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Every voxel's label, values of ``LABELS`` and nodules; vessels cover organs, organs cover lobes."""
    canvas = painted.canvas
    result = lobes.copy()
    result[result > 0] += LABELS["lobe_right_upper"] - Lobe.RIGHT_UPPER
    for name in ORGANS:
        _mark(result, canvas, body.anatomy.shapes[name], LABELS[name])
    for name, shape in painted.opacities.items():
        _mark(result, canvas, shape, LABELS[name])
    for number, nodule in enumerate(painted.nodules, start=1):
        result[nodule.box][nodule.mask] = NODULE_LABEL + number
    result[painted.wall] = LABELS["airway_wall"]
    for vessel, branching in ((ARTERY, body.trees.arteries), (VEIN, body.trees.veins)):
        voxels = np.argwhere(painted.vessels == vessel)
        result[tuple(voxels.T)] = FIRST_LEVEL[vessel] + _levels(voxels, branching, canvas.grid)
    result[painted.lumen] = LABELS["airway_lumen"]
    return result


def segments(body: Body, painted: Painted, lobes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The bronchopulmonary segment of every voxel of the lungs, whatever else it holds; always one of its lobe."""
    coarse, lens = body.anatomy.segments, painted.canvas.lens
    result = np.zeros_like(lobes)
    for lobe in Lobe:
        own = np.where(body.anatomy.lobes == lobe, coarse, 0)
        # A voxel just across the lobe's last cell takes a neighbouring cell's segment.
        near = lens.nearest(np.where(own > 0, own, grey_dilation(own, size=5)))
        np.copyto(result, near, where=lobes == lobe)
    return result


def lobes_of(body: Body, painted: Painted) -> NDArray[np.uint8]:
    """The :class:`Lobe` of every voxel of the lungs, 0 elsewhere."""
    lens, result = painted.canvas.lens, np.zeros_like(painted.lungs)
    for box, _ in lens.blocks(body.anatomy.lungs, CLEAR):
        fissures = Fissures(*(lens.onto_voxels(one, box) for one in body.anatomy.fissures))
        result[box] = fissures.lobes() * painted.lungs[box]
    return result


def _mark(result: NDArray[np.uint8], canvas: Canvas, shape: Field, value: int) -> None:
    for box, inside in canvas.inside(shape):
        result[box][inside] = value


def _levels(voxels: NDArray[np.int64], branching: Branching, grid: Grid) -> NDArray[np.uint8]:
    """HiPaS level of vessel voxels (n, 3): that of the node whose surface is nearest, of those around."""
    if len(voxels) == 0:
        return np.zeros(0, dtype=np.uint8)
    points, radii = np.array(branching.tree.points), branching.radii
    places = grid.origin + voxels[:, ::-1] * grid.spacing
    distance, node = cKDTree(points).query(places, k=min(6, len(points)))
    nearest = np.argmin(distance - radii[node], axis=1)
    return np.asarray(branching.levels[node[np.arange(len(node)), nearest]])
