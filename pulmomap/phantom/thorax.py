"""The procedural thorax: one seed, one patient, scanned without and with contrast, and the truth about both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from highdicom import UID, Volume
from numpy.typing import NDArray
from scipy.ndimage import grey_dilation

from pulmomap.phantom.anatomy import Anatomy, Lobe, build
from pulmomap.phantom.canvas import Canvas
from pulmomap.phantom.fields import Coarse, Field, Grid
from pulmomap.phantom.lesions import PhantomNodule, paint_nodules, paint_opacities
from pulmomap.phantom.physics import acquire
from pulmomap.phantom.population import (
    BloodPool,
    Kernel,
    Patient,
    Scan,
    draw_blood,
    draw_patient,
    draw_scan,
)
from pulmomap.phantom.tissues import paint_body, paint_chest
from pulmomap.phantom.trees import Vasculature, grow
from pulmomap.phantom.tubes import occupancy

# A vessel voxel is one that its vessel fills to this share: thin vessels never fill half of a voxel.
FILLED = 0.4
ARTERY, VEIN = 1, 2
LABELS = {
    "pulmonary_artery": 1,
    "pulmonary_vein": 2,
    "airway_lumen": 3,
    "airway_wall": 4,
    "aorta": 5,
    "left_atrium": 6,
    "right_atrium": 7,
    "left_ventricle": 8,
    "right_ventricle": 9,
    "superior_vena_cava": 10,
    "inferior_vena_cava": 11,
    "lobe_right_upper": 21,
    "lobe_right_middle": 22,
    "lobe_right_lower": 23,
    "lobe_left_upper": 24,
    "lobe_left_lower": 25,
}
# Later ones cover earlier ones.
ORGANS = (
    "right_atrium",
    "right_ventricle",
    "left_ventricle",
    "left_atrium",
    "aorta",
    "superior_vena_cava",
    "inferior_vena_cava",
)
NODULE_LABEL = 40  # nodule_1 is 41


@dataclass(frozen=True)
class Phantom:
    """One phantom patient. All volumes lie on one grid: slices to the head, rows to the back, columns to the left.

    Attributes:
        seed: what it was drawn from.
        patient, blood, scan: the parameters.
        ncct, vnc, cect: int16 HU: non-contrast, virtual non-contrast, contrast-enhanced.
        vessels: uint8: 1 pulmonary artery (trunk included), 2 pulmonary vein (up to the left atrium).
        labels: uint8 by ``label_names``; a nodule covers its lobe, a vessel covers both.
        lungs: uint8: 1 inside either lung.
        nodules: truth about the nodules.
        trees: airways, arteries and veins as graphs, LPS mm.
    """

    seed: int
    patient: Patient
    blood: BloodPool
    scan: Scan
    ncct: Volume
    vnc: Volume
    cect: Volume
    vessels: Volume
    labels: Volume
    lungs: Volume
    nodules: tuple[PhantomNodule, ...]
    trees: Vasculature

    @property
    def label_names(self) -> dict[str, int]:
        """Name -> value in ``labels``."""
        return LABELS | {f"nodule_{n}": NODULE_LABEL + n for n in range(1, len(self.nodules) + 1)}


def draw(seed: int, spacing: float | Sequence[float] = 1.0, *, kernel: Kernel | None = None) -> Phantom:
    """Draw a phantom. The same arguments give the same bytes.

    Args:
        seed: selects patient, injection and scan. Seeds of 9,000,000 and above are reserved for acceptance.
        spacing: mm, one for all axes or (x, y, z).
        kernel: reconstruction kernel; drawn when not given.
    """
    patient_rng, shape_rng, noise_rng = (np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(3))
    patient, blood, scan = draw_patient(patient_rng), draw_blood(patient_rng), draw_scan(patient_rng, kernel)
    grid = _grid(patient, spacing)
    coarse = Coarse(grid, shape_rng)
    anatomy = build(patient, coarse)
    trees = grow(patient, anatomy, coarse)

    canvas = Canvas(coarse)
    paint_body(canvas, patient, anatomy, coarse)
    paint_chest(canvas, patient, anatomy, coarse, blood)
    paint_opacities(canvas, anatomy, coarse)
    vessels, airway = _paint_trees(canvas, trees, blood, coarse, anatomy)
    nodules = paint_nodules(canvas, anatomy, coarse, vessels)

    residue = np.float32(0.03)  # iodine that spectral subtraction leaves behind
    images = {
        "ncct": acquire(canvas.plain, grid, scan, noise_rng),
        "vnc": acquire(canvas.plain + residue * canvas.gain, grid, scan, noise_rng, noise=0.8),
        "cect": acquire(canvas.plain + canvas.gain, grid, scan, noise_rng, noise=0.95),
    }
    lungs = (canvas.share(anatomy.lungs) > 0.5).astype(np.uint8)
    labels = _labels(canvas, anatomy, coarse, lungs, vessels, airway, nodules)
    arrays = images | {"vessels": vessels, "labels": labels, "lungs": lungs}
    frame = UID.from_uuid(f"{seed:032x}")
    volumes = {
        name: Volume(array, grid.affine, coordinate_system="PATIENT", frame_of_reference_uid=frame)
        for name, array in arrays.items()
    }
    return Phantom(seed, patient, blood, scan, nodules=nodules, trees=trees, **volumes)


def _grid(patient: Patient, spacing: float | Sequence[float]) -> Grid:
    """The scan's field of view: the body's width and depth, the lungs' height with a margin."""
    size = np.broadcast_to(np.asarray(spacing, dtype=float), (3,)).copy()
    wide, deep = patient.body
    low, high = patient.base - 65.0 - abs(patient.breath), patient.apex + 25.0
    extent = np.array([2 * min(wide + 12, 205.0), 2 * min(deep + 14, 150.0), high - low])
    shape = np.ceil(extent / size).astype(int)
    origin = np.array([-extent[0] / 2, -extent[1] / 2 + 6.0, low])
    return Grid(origin, size, (int(shape[2]), int(shape[1]), int(shape[0])))


def _paint_trees(
    canvas: Canvas, trees: Vasculature, blood: BloodPool, coarse: Coarse, anatomy: Anatomy
) -> tuple[NDArray[np.uint8], dict[str, Field]]:
    """Paint airways, veins and arteries; returns the vessel labels and the airway's share of each voxel."""
    grid, airways = coarse.grid, trees.airways
    artery = occupancy(trees.arteries.tree, trees.arteries.radii, grid)
    vein = occupancy(trees.veins.tree, trees.veins.radii, grid)
    lumen = occupancy(airways.tree, airways.radii, grid)
    wall = occupancy(airways.tree, airways.radii + trees.airway_wall, grid)
    canvas.voxels(wall * (1 - np.maximum(artery, vein)), 20.0, 10.0)
    canvas.voxels(vein, blood.plain, blood.vein)
    canvas.voxels(artery, blood.plain, blood.artery)
    canvas.voxels(lumen, -985.0, 0.0)
    vessels = np.zeros(grid.shape, dtype=np.uint8)
    vessels[vein >= FILLED] = VEIN
    atrium = canvas.inside(anatomy.shapes["left_atrium"])
    if atrium is not None:
        vessels[atrium[0]][atrium[1]] = 0
    vessels[(artery >= FILLED) & (artery >= vein)] = ARTERY
    vessels[lumen > 0.5] = 0
    return vessels, {"airway_lumen": lumen, "airway_wall": wall}


def _labels(
    canvas: Canvas,
    anatomy: Anatomy,
    coarse: Coarse,
    lungs: NDArray[np.uint8],
    vessels: NDArray[np.uint8],
    airway: dict[str, Field],
    nodules: tuple[PhantomNodule, ...],
) -> NDArray[np.uint8]:
    # The coarse lobes stop at the cell: a voxel of the lung beyond takes the lobe of a neighbouring cell.
    filled = grey_dilation(anatomy.lobes, size=3)
    table = np.zeros(256, dtype=np.uint8)
    for lobe in Lobe:
        table[lobe] = LABELS[f"lobe_{lobe.name.lower()}"]
    labels = table[coarse.nearest(np.where(anatomy.lobes > 0, anatomy.lobes, filled))] * lungs
    for name in ORGANS:
        organ = canvas.inside(anatomy.shapes[name])
        if organ is not None:
            labels[organ[0]][organ[1]] = LABELS[name]
    for number, nodule in enumerate(nodules, start=1):
        labels[nodule.box][nodule.mask] = NODULE_LABEL + number
    labels[airway["airway_wall"] > 0.5] = LABELS["airway_wall"]
    labels[vessels > 0] = vessels[vessels > 0]
    labels[airway["airway_lumen"] > 0.5] = LABELS["airway_lumen"]
    return labels
