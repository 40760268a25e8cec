"""The procedural thorax: one seed, one patient, scanned without and with contrast, and the truth about both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from highdicom import UID, ChannelDescriptor, Volume
from numpy.typing import NDArray

from pulmomap.phantom.body import Body, breathed, compose, stream, view
from pulmomap.phantom.body_wall import paint_abdomen, paint_wall
from pulmomap.phantom.breath import Breath, draw_breath
from pulmomap.phantom.canvas import Canvas
from pulmomap.phantom.fields import STEP, Grid, Point, slabs
from pulmomap.phantom.findings import Findings
from pulmomap.phantom.nodules import PhantomNodule, paint_nodule
from pulmomap.phantom.opacities import effusion, paint_opacities
from pulmomap.phantom.physics import NoiseField, Streaks, add_streaks, beat, blur
from pulmomap.phantom.population import BloodPool, Kernel, Patient, Scan, draw_scan
from pulmomap.phantom.tissues import device_leads, paint_chest
from pulmomap.phantom.trees import Vasculature
from pulmomap.phantom.truth import ARTERY, LABELS, NODULE_LABEL, VEIN, Painted, labels, lobes_of, segments
from pulmomap.phantom.tubes import occupancy, vessel_mask

AXES = ChannelDescriptor("LPS axis", is_custom=True, value_type=str)
RESIDUE = np.float32(0.03)  # of the iodine, left behind by spectral subtraction


@dataclass(frozen=True)
class Phantom:
    """One phantom patient. All volumes lie on one grid: slices to the head, rows to the back, columns to the left.

    Attributes:
        seed: what it was drawn from.
        patient, blood, findings, scan: the parameters.
        ncct, vnc, cect: int16 HU: non-contrast, virtual non-contrast, contrast-enhanced.
        vessels: uint8: 1 pulmonary artery (trunk included), 2 pulmonary vein (up to the left atrium).
        labels: uint8 by ``label_names``; a nodule covers its lobe, a vessel covers both.
        segments: uint8 by :class:`pulmomap.phantom.anatomy.Segment`, vessels included.
        lungs: uint8: 1 inside either lung.
        nodules: truth about the nodules.
        trees: airways, arteries and veins as graphs, LPS mm.
        body: the continuous description.
    """

    seed: int
    patient: Patient
    blood: BloodPool
    findings: Findings
    scan: Scan
    ncct: Volume
    vnc: Volume
    cect: Volume
    vessels: Volume
    labels: Volume
    segments: Volume
    lungs: Volume
    nodules: tuple[PhantomNodule, ...]
    trees: Vasculature
    body: Body

    @property
    def label_names(self) -> dict[str, int]:
        """Name -> value in ``labels``."""
        return LABELS | {f"nodule_{n}": NODULE_LABEL + n for n in range(1, len(self.nodules) + 1)}


@dataclass(frozen=True)
class BreathingScan:
    """A second NCCT of the same patient at another breath level, on a grid of its own.

    Attributes:
        ncct: int16 HU. vessels, lungs: uint8 as in :class:`Phantom`.
        breath: how the body moved.
        displacement: float32 mm (z, y, x, 3) LPS on a 3 mm grid over the resting scan: where its points went.
    """

    scan: Scan
    ncct: Volume
    vessels: Volume
    lungs: Volume
    breath: Breath
    displacement: Volume


def draw(
    seed: int, spacing: float | Sequence[float] = 1.0, *, kernel: Kernel | None = None, switches: Sequence[str] = ()
) -> Phantom:
    """Draw a phantom. The same arguments give the same bytes.

    Args:
        seed: selects patient, injection and scan. Seeds of 9,000,000 and above are reserved for acceptance.
        spacing: mm, one for all axes or (x, y, z).
        kernel: reconstruction kernel; drawn when not given.
        switches: findings to add or take away (:mod:`pulmomap.phantom.findings`).

    Raises:
        ValueError: if a switch is unknown.
    """
    return scanned(compose(seed, switches), spacing, kernel=kernel)


def scanned(body: Body, spacing: float | Sequence[float] = 1.0, *, kernel: Kernel | None = None) -> Phantom:
    """Scan a patient at rest, without and with contrast; arguments as of :func:`draw`."""
    seed, grid = body.seed, make_grid(*view(body.patient), spacing)
    scan = setting(draw_scan(stream(seed, "scan"), kernel), grid)
    painted = paint(body, grid)
    images, lobes = _images(body, painted, scan), lobes_of(body, painted)
    arrays = images | {
        "vessels": painted.vessels,
        "labels": labels(body, painted, lobes),
        "segments": segments(body, painted, lobes),
        "lungs": painted.lungs,
    }
    volumes = {name: as_volume(array, grid, seed) for name, array in arrays.items()}
    return Phantom(
        seed=seed,
        patient=body.patient,
        blood=body.blood,
        findings=body.findings,
        scan=scan,
        nodules=painted.nodules,
        trees=body.trees,
        body=body,
        **volumes,
    )


def breathe(body: Body, spacing: float | Sequence[float] = 1.0, *, kernel: Kernel | None = None) -> BreathingScan:
    """Scan the same patient again, without contrast, at another breath level and with another field of view."""
    rng = stream(body.seed, "breath")
    breath = draw_breath(body.patient, rng)
    low, high = view(body.patient)
    reach = np.array([4.0, 4.0, abs(breath.descent)])
    grid = make_grid(low - rng.uniform(0.0, 1.0, 3) * reach, high + rng.uniform(0.5, 1.0, 3) * reach, spacing)
    scan = setting(draw_scan(rng, kernel), grid)
    moved = breathed(body, breath)
    painted = paint(moved, grid)
    noise = NoiseField(painted.canvas.plain, grid, scan, rng)
    image = noise.scanned(blur(painted.canvas.plain, grid, scan))
    return BreathingScan(
        scan=scan,
        ncct=as_volume(image, grid, body.seed),
        vessels=as_volume(painted.vessels, grid, body.seed),
        lungs=as_volume(painted.lungs, grid, body.seed),
        breath=breath,
        displacement=displacement(body, breath),
    )


def displacement(body: Body, breath: Breath) -> Volume:
    """Where the resting scan's points went: mm (z, y, x, 3), LPS, every 3 mm of the field of view."""
    grid = make_grid(*view(body.patient), STEP)
    z, y, x = np.meshgrid(*(grid.centres(axis) for axis in range(3)), indexing="ij")
    field = breath.displacement(np.stack([x, y, z], axis=-1))
    return as_volume(field.astype(np.float32), grid, body.seed)


def make_grid(low: Point, high: Point, spacing: float | Sequence[float]) -> Grid:
    """The voxels that cover a box, LPS mm; ``spacing`` in mm, one or (x, y, z)."""
    size = np.broadcast_to(np.asarray(spacing, dtype=float), (3,)).copy()
    shape = np.ceil((high - low) / size).astype(int)
    return Grid(low + size / 2, size, (int(shape[2]), int(shape[1]), int(shape[0])))


def setting(scan: Scan, grid: Grid) -> Scan:
    """A scan whose slices leave no gap: never thinner than their distance."""
    return replace(scan, slice_width=max(scan.slice_width, float(grid.spacing[2])))


def as_volume(array: NDArray[np.generic], grid: Grid, seed: int) -> Volume:
    """An array on a grid, in the patient's frame of reference; a fourth axis is x, y, z of a vector."""
    return Volume(
        array,
        grid.affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid=UID.from_uuid(f"{seed:032x}"),
        channels={AXES: ["x", "y", "z"]} if array.ndim == 4 else None,
    )


def paint(body: Body, grid: Grid) -> Painted:
    """Tissue and truth of a body on the voxels of a scan."""
    body.coarse.rng, rng = stream(body.seed, "texture"), stream(body.seed, "values")
    patient, anatomy, coarse, blood = body.patient, body.anatomy, body.coarse, body.blood
    canvas = Canvas(coarse, grid)
    paint_wall(canvas, patient, anatomy, coarse, rng)
    paint_abdomen(canvas, patient, anatomy, coarse, blood, rng)
    paint_chest(canvas, patient, anatomy, coarse, blood, body.findings, body.stretch, rng)
    fluid = effusion(anatomy, coarse, body.findings, rng)
    opacities = paint_opacities(canvas, anatomy, coarse, body.opacities, fluid)
    vessels, lumen, wall = _paint_trees(canvas, body)
    painted = [paint_nodule(canvas, plan, body.now(plan.centre), vessels) for plan in body.nodules]
    nodules = tuple(nodule for nodule in painted if nodule is not None)
    lungs = np.zeros(grid.shape, dtype=np.uint8)
    for box, inside in canvas.inside(anatomy.lungs):
        lungs[box] = inside
    return Painted(canvas, vessels, lumen, wall, lungs, nodules, opacities)


def _paint_trees(canvas: Canvas, body: Body) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]:
    """Paint airways, veins and arteries; returns the vessel labels, and which voxels are airway lumen and wall."""
    grid, trees, blood, airways = canvas.grid, body.trees, body.blood, body.trees.airways
    shares = [
        occupancy(airways.tree, airways.radii + trees.airway_wall, grid),
        occupancy(airways.tree, airways.radii, grid),
        occupancy(trees.veins.tree, trees.veins.radii, grid),
        occupancy(trees.arteries.tree, trees.arteries.radii, grid),
    ]
    veins, arteries = (
        vessel_mask(one.tree, one.radii, grid, share)
        for one, share in ((trees.veins, shares[2]), (trees.arteries, shares[3]))
    )
    arteries &= shares[3] >= shares[2]
    for share, threads in ((shares[2], trees.vein_threads), (shares[3], trees.artery_threads)):
        np.maximum(share, occupancy(threads.tree, threads.radii, grid), out=share)
    vessels = np.zeros(grid.shape, dtype=np.uint8)
    walls, lumens = (np.zeros(grid.shape, dtype=bool) for _ in range(2))
    for part in slabs(grid.shape[0]):
        wall, lumen, vein, artery = (share[part] for share in shares)
        box = part, slice(None), slice(None)
        canvas.voxels(wall * (1 - np.maximum(artery, vein)), 20.0, 10.0, box)
        canvas.voxels(vein, blood.plain, blood.vein, box)
        canvas.voxels(artery, blood.plain, blood.artery, box)
        canvas.voxels(lumen, -985.0, 0.0, box)
        np.greater(wall, 0.5, out=walls[part])
        np.greater(lumen, 0.5, out=lumens[part])
        vessels[part][veins[part]] = VEIN
    for box, atrium in canvas.inside(body.anatomy.shapes["left_atrium"]):
        vessels[box][atrium] = 0
    for part in slabs(grid.shape[0]):
        vessels[part][arteries[part]] = ARTERY
        vessels[part][lumens[part]] = 0
    return vessels, lumens, walls


def _images(body: Body, painted: Painted, scan: Scan) -> dict[str, NDArray[np.int16]]:
    """NCCT, VNC and CECT. The NCCT is a breath-hold of its own; VNC and CECT come from one contrast scan."""
    canvas, grid, rng = painted.canvas, painted.canvas.grid, stream(body.seed, "noise")
    noise = NoiseField(canvas.plain, grid, scan, rng)
    plain, gain = blur(canvas.plain, grid, scan), blur(canvas.gain, grid, scan)
    heart = canvas.lens.voxel_box(body.anatomy.shapes["myocardium"] < 10.0)
    moving = None if heart is None else (heart, canvas.share(body.anatomy.shapes["heart"] - 4.0, heart, softness=10.0))
    iodine = {"ncct": np.float32(0.0), "vnc": RESIDUE, "cect": np.float32(1.0)}
    loudness = {"ncct": 1.0, "vnc": 0.8, "cect": 0.95}
    cava = np.linspace(0, 1, 16)[:, None] * (body.anatomy.marks.superior_cava[-1] - body.anatomy.marks.superior_cava[0])
    bolus = Streaks(cava + body.anatomy.marks.superior_cava[0], max(0.0, 0.05 * (body.blood.superior_cava - 300.0)))
    result, image = {}, np.empty_like(plain)
    for name, share in iodine.items():
        np.multiply(gain, share, out=image)
        image += plain
        if moving is not None:
            beat(image, moving, grid, rng)
        if name == "cect" and bolus.strength > 0:
            add_streaks(image, grid, bolus, rng)
        if body.findings.device:
            for lead in device_leads(body.anatomy):
                add_streaks(image, grid, Streaks(np.array(lead), 25.0), rng, reach=50.0)
        result[name] = noise.scanned(image, loudness[name])
    return result
