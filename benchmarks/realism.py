"""``python -m benchmarks.realism``: phantoms beside published morphometry and, where at hand, real scans.

Trees are measured in the space of the HiPaS paper (334/512 x 334/512 x 1 mm). Real scans are taken from the folder that
the environment variable ``PULMOMAP_REAL_DATA`` names (series, and NIfTI under ``volumes``). Results:
tables on the terminal and ``benchmarks/out/realism.json``.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from highdicom import Volume
from rich.console import Console
from rich.table import Table

from benchmarks.texture import bright_points, edge, lung_blocks, noise, separability
from pulmomap.phantom.population import Kernel
from pulmomap.phantom.space import Branching

ROOT = Path(__file__).resolve().parents[1]
NORMALISED = (334 / 512, 334 / 512, 1.0)
KERNELS: tuple[Kernel, ...] = ("soft", "standard", "lung")  # of one phantom after the other
REAL = ("lidc-0314-ncct", "lidc-0001-cect")
REAL_NIFTI = ("lidc-0002-ncct",)
# Strahler orders that can be laid beside those of casts: below are the side branches, cut off where a cast goes on.
COMPARABLE = 3

# Row -> what was measured -> published mean and standard deviation. Sources in docs/phantom.md.
PUBLISHED = {
    "men: artery skeleton, voxels": (13985, 2794),
    "men: vein skeleton, voxels": (12257, 2407),
    "men: artery branchings": (1862, 472),
    "men: vein branchings": (1805, 462),
    "women: artery skeleton, voxels": (10977, 2407),
    "women: vein skeleton, voxels": (9871, 1916),
    "women: artery branchings": (1552, 470),
    "women: vein branchings": (1468, 430),
    "artery / bronchus, outer diameters": (0.98, 0.14),
    "bronchus: lumen / outer diameter": (0.66, 0.06),
    "arteries: exponent of Murray's law": (2.92, 1.07),
    "lungs, litres": (4.468, 1.271),
    "right upper lobe, % of the lungs": (17.9, 2.4),
    "right middle lobe, % of the lungs": (9.3, 1.6),
    "right lower lobe, % of the lungs": (26.5, 2.6),
    "left upper lobe, % of the lungs": (23.1, 2.1),
    "left lower lobe, % of the lungs": (23.2, 2.4),
}


def trees_of(seed: int) -> dict[str, Any]:
    """Measures of one phantom's trees."""
    from pulmomap.metrics.skeleton import skeletonise
    from pulmomap.phantom.body import compose, view
    from pulmomap.phantom.lobes import Lobe
    from pulmomap.phantom.morphometry import artery_to_bronchus, murray_exponent, overlap, ratios
    from pulmomap.phantom.separation import tubes
    from pulmomap.phantom.thorax import make_grid
    from pulmomap.phantom.tubes import occupancy, vessel_mask

    body = compose(seed)
    grid, trees = make_grid(*view(body.patient), NORMALISED), body.trees
    sex = "men" if body.patient.male else "women"
    lobes = body.anatomy.lobes
    litres = float((body.anatomy.lungs < 0).sum() * 27e-6)
    result: dict[str, Any] = {"lungs, litres": litres, f"{sex}: lungs, litres": litres}
    for lobe in Lobe:
        share = 100.0 * float((lobes == lobe).sum() / (lobes > 0).sum())
        result[f"{lobe.name.lower().replace('_', ' ')} lobe, % of the lungs"] = share
    for name, branching in (("artery", trees.arteries), ("vein", trees.veins)):
        share = occupancy(branching.tree, branching.radii, grid)
        filled = vessel_mask(branching.tree, branching.radii, grid, share)
        skeleton = skeletonise(filled, NORMALISED[::-1], prune=False)
        result[f"{sex}: {name} skeleton, voxels"] = float(skeleton.voxels)
        result[f"{sex}: {name} branchings"] = float(skeleton.bifurcations)
        for lowest in (1, COMPARABLE):
            found, orders = ratios(branching, lowest), f"from order {lowest}"
            result[f"{name}: Strahler orders"] = float(found.orders)
            result[f"{name}: Strahler branching ratio {orders}"] = found.branching
            result[f"{name}: Strahler diameter ratio {orders}"] = found.diameter
            result[f"{name}: Strahler length ratio {orders}"] = found.length
    wall, lumen = trees.airway_wall, trees.airways.radii
    small = (np.array(trees.airways.tree.segments) > 0) & (lumen > 1.0) & (lumen < 2.0)
    result["artery / bronchus, outer diameters"] = artery_to_bronchus(trees.airways, wall, trees.arteries)
    result["bronchus: lumen / outer diameter"] = float(np.median((lumen / (lumen + wall))[small]))
    result["arteries: exponent of Murray's law"] = murray_exponent(trees.arteries)
    result["artery / vein, blood in vessels of 2 to 9 mm radius"] = wide_blood(trees.arteries) / wide_blood(trees.veins)
    axes = {name: tubes(one.tree, one.radii) for name, one in (("artery", trees.arteries), ("vein", trees.veins))}
    outer = tubes(trees.airways.tree, lumen, wall)
    result["overlap, mm: artery and vein"] = overlap(axes["artery"], axes["vein"])
    result["overlap, mm: airway and vein"] = overlap(outer, axes["vein"])
    result["overlap, mm: airway lumen and artery"] = overlap(tubes(trees.airways.tree, lumen), axes["artery"])
    return result


def wide_blood(vessels: Branching) -> float:
    """Volume, mm3, of the lobes' vessels of 2 to 9 mm radius: those that bolus timing tells apart on a real scan."""
    points, parents = vessels.tree.arrays()
    chosen = (np.array(vessels.tree.lobes) > 0) & (vessels.radii >= 2.0) & (vessels.radii <= 9.0)
    length = np.linalg.norm(points - points[np.maximum(parents, 0)], axis=1)
    return float((np.pi * vessels.radii**2 * length)[chosen].sum())


def phantom_scans(seeds: list[int]) -> Iterator[tuple[str, Volume, Volume]]:
    """Name, NCCT and lungs of phantoms of every kernel."""
    from pulmomap.phantom.thorax import draw

    for number, seed in enumerate(seeds):
        phantom = draw(seed, kernel=KERNELS[number % 3])
        yield f"phantom {seed}, {phantom.scan.kernel}", phantom.ncct, phantom.lungs


def real_scans() -> Iterator[tuple[str, Volume, Volume]]:
    """Name, volume and lungs of the real scans at hand, at 1 mm."""
    from pulmomap.dicom.index import index_folder
    from pulmomap.dicom.reading import read_volume
    from pulmomap.dicom.selection import SelectionRules, select
    from pulmomap.imaging.lungs import lung_mask
    from pulmomap.imaging.resampling import to_grid

    root = os.environ.get("PULMOMAP_REAL_DATA")
    for name in REAL if root else ():
        rules = SelectionRules(refuse_contrast_tags=False)
        for series in select(index_folder(Path(root or "") / name), rules).selected:
            volume = to_grid(read_volume(series), (1.0, 1.0, 1.0))
            yield name, volume, lung_mask(volume).mask
    for name in REAL_NIFTI:
        path = Path(root or "") / "volumes" / f"{name}.nii.gz"
        if root and path.is_file():
            volume = to_grid(read_nifti(path), (1.0, 1.0, 1.0))
            yield name, volume, lung_mask(volume).mask


def read_nifti(path: Path) -> Volume:
    """A CT as NIfTI (RAS), as a volume of float32 HU in the patient's frame (LPS)."""
    image = nibabel.load(path)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    return Volume(np.asarray(image.dataobj, dtype=np.float32), affine, coordinate_system="PATIENT")


def texture_of(scans: Iterator[tuple[str, Volume, Volume]]) -> tuple[dict[str, dict[str, float]], list[Any]]:
    """Figures by scan, and the blocks of lung of each."""
    figures, blocks = {}, []
    for name, volume, lungs in scans:
        deviation, frequency = noise(volume)
        inside = np.asarray(volume.array)[np.asarray(lungs.array) > 0]
        figures[name] = {
            "noise, HU": deviation,
            "noise, mean frequency, 1/mm": frequency,
            "edge 10-90 %, mm": edge(volume),
            "lung, median HU": float(np.median(inside)),
            "lung, 5th percentile HU": float(np.percentile(inside, 5)),
            "lung, 95th percentile HU": float(np.percentile(inside, 95)),
        } | bright_points(volume, lungs)
        blocks.append(lung_blocks(volume, lungs))
    return figures, blocks


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="python -m benchmarks.realism", description=__doc__)
    result.add_argument("--first", type=int, default=101, help="first seed (default %(default)s)")
    result.add_argument("--count", type=int, default=20, help="phantoms for the trees (default %(default)s)")
    result.add_argument("--scans", type=int, default=6, help="phantoms for the texture (default %(default)s)")
    result.add_argument("--processes", type=int, default=2)
    return result


def main() -> int:
    """Measure and print."""
    args = parser().parse_args()
    seeds = list(range(args.first, args.first + args.count))
    with ProcessPoolExecutor(args.processes, mp_context=get_context("spawn")) as pool:
        measured = list(pool.map(trees_of, seeds))
    names = sorted({name for one in measured for name in one})
    values = {name: [one[name] for one in measured if name in one] for name in names}
    summary = {
        name: {"n": len(v), "mean": float(np.mean(v)), "sd": float(np.std(v)), "largest": float(np.max(v))}
        for name, v in values.items()
    }
    console, table = Console(), Table("measure", "n", "phantoms", "largest", "published", "within one SD")
    for name, row in summary.items():
        mean, deviation = PUBLISHED.get(name, (None, 0))
        inside = "" if mean is None else "yes" if abs(row["mean"] - mean) <= deviation else "no"
        published = "" if mean is None else f"{mean:g} ± {deviation:g}"
        table.add_row(
            name, str(row["n"]), f"{row['mean']:.4g} ± {row['sd']:.3g}", f"{row['largest']:.4g}", published, inside
        )
    console.print(table)
    drawn, drawn_blocks = texture_of(phantom_scans(seeds[: args.scans]))
    real, real_blocks = texture_of(real_scans())
    texture = Table("scan", *next(iter(drawn.values())))
    for name, figures in (drawn | real).items():
        texture.add_row(name, *(f"{value:.3g}" for value in figures.values()))
    console.print(texture)
    apart = separability(drawn_blocks, real_blocks) if len(real_blocks) > 1 else None
    console.print(
        f"area under the ROC curve, phantom or real by blocks of lung: {apart if apart is None else f'{apart:.3f}'}"
    )
    out = ROOT / "benchmarks" / "out"
    out.mkdir(exist_ok=True)
    content = {"seeds": seeds, "trees": summary, "phantoms": drawn, "real": real, "separability": apart}
    (out / "realism.json").write_text(json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
