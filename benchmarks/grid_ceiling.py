"""``python -m benchmarks.grid_ceiling STORE``: what a perfect segmenter could reach on a coarser grid.

The true map of each case is brought onto the grid by the rule of the training crops, and back as the application brings
a network's answer back. No network is involved: what is lost here, no training can find. Results: a table on the
terminal and ``benchmarks/out/grid_ceiling.json``.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from highdicom import Volume
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from pulmomap.case import Vessel
from pulmomap.imaging.classes import resample_classes
from pulmomap.metrics.overlap import confusion
from training.data import VESSEL_SHARE, coarser_labels
from training.store import case_folders, read_case
from training.synthesise import case_volume

OUT = Path(__file__).parent / "out" / "grid_ceiling.json"
SHARES = (0.2, 0.25, 0.3, 0.4, 0.5)


def coarse_grid(volume: Volume, spacing: float) -> Volume:
    """The grid (zeros) of cubic voxels that covers a volume, corner on corner."""
    size = [
        max(round(side * step / spacing), 1) for side, step in zip(volume.spatial_shape, volume.spacing, strict=True)
    ]
    zoom = np.asarray(volume.spatial_shape) / size
    affine = np.array(volume.affine)
    affine[:3, 3] += affine[:3, :3] @ ((zoom - 1) / 2)
    affine[:3, :3] *= zoom
    return Volume(np.zeros(size, np.float32), affine, "PATIENT")


def there_and_back(labels: Volume, spacing: float, share: float) -> NDArray[np.uint8]:
    """The labels after they were brought onto cubic voxels of ``spacing`` mm and back."""
    grid = coarse_grid(labels, spacing)
    given = torch.from_numpy(np.array(labels.array))[None]
    first, second, third = grid.spatial_shape
    coarse = coarser_labels(given, (first, second, third), share)[0].numpy()
    scores = np.stack([coarse == one for one in (0, *Vessel)]).astype(np.float32)
    return np.asarray(resample_classes(scores, grid, labels).array)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    line = argparse.ArgumentParser(prog="python -m benchmarks.grid_ceiling", description=__doc__)
    line.add_argument("store", type=Path, metavar="STORE", help="with labels, at 1 mm")
    line.add_argument(
        "--spacing", type=float, nargs="+", default=[1.25, 1.5], metavar="MM", help="of the coarser grids"
    )
    line.add_argument("--cases", type=int, default=3, help="how many (default %(default)s)")
    return line


def main() -> None:
    """Measure, print and write."""
    arguments = parser().parse_args()
    found: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for folder in case_folders(arguments.store)[: arguments.cases]:
        truth = case_volume(read_case(folder), "vessels")
        reference = np.asarray(truth.array)
        for spacing in arguments.spacing:
            for share in SHARES:
                table = confusion(there_and_back(truth, spacing, share), reference)
                figures = [figure(vessel).value for figure in (table.dice, table.sensitivity) for vessel in Vessel]
                found[f"{spacing:g} mm, share {share:g}"].append(tuple(figures))
    names = ("Dice PA", "Dice PV", "sensitivity PA", "sensitivity PV")
    shown = Table(title=f"mean of {arguments.cases} cases; the recipes' share is {VESSEL_SHARE:g}")
    for column in ("", *names):
        shown.add_column(column)
    means = {row: np.mean(values, axis=0) for row, values in found.items()}
    for row, values in means.items():
        shown.add_row(row, *(f"{value:.3f}" for value in values))
    Console().print(shown)
    OUT.parent.mkdir(exist_ok=True)
    rows = {row: dict(zip(names, values.tolist(), strict=True)) for row, values in means.items()}
    OUT.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
