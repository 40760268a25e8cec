"""``python -m benchmarks.real_regions``: what the shipped networks make of one real non-contrast scan, by regions.

The scan is LIDC-IDRI-0314 (The Cancer Imaging Archive, CC BY 3.0), a right hilar mass with collapse and effusion, which
nothing was trained or chosen on. Blood in trunk, aorta and left atrium must come out between 150 and 450 HU; muscle,
liver, lymph nodes, mass, collapse and fluid may change by 20 HU on average. The regions are balls, placed by eye on the
non-contrast scan by people who are no radiologists. Writes ``docs/images/real-ncct.webp``.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from pulmomap.case import Ncct
from pulmomap.dicom.index import index_folder
from pulmomap.dicom.reading import read_volume
from pulmomap.dicom.rules import SelectionRules
from pulmomap.dicom.selection import select
from pulmomap.imaging.lungs import lung_mask
from pulmomap.imaging.resampling import canonical
from pulmomap.metrics.perinodular import ball
from pulmomap.report.figures import as_webp
from training.bolus import grey_of, painted, run_networks

ROOT = Path(__file__).resolve().parents[1]
SCAN = "lidc-0314-ncct"
PICTURE = ROOT / "docs" / "images" / "real-ncct.webp"
BLOOD, DARK = (150.0, 450.0), 20.0  # HU; HU of change


class Region(NamedTuple):
    """A ball. Centre LPS mm, radius mm; whether contrast belongs there."""

    name: str
    centre: tuple[float, float, float]
    radius: float
    blood: bool


REGIONS = (
    Region("pulmonary trunk", (8.4, 140.2, -519.8), 6.0, True),
    Region("ascending aorta", (-15.0, 134.0, -519.8), 8.0, True),
    Region("descending aorta", (-4.1, 196.5, -519.8), 6.0, True),
    Region("left atrium", (-16.6, 167.6, -539.8), 8.0, True),
    Region("muscle beside the spine", (-40.9, 265.9, -624.8), 5.0, False),
    Region("liver", (-60.4, 128.5, -624.8), 12.0, False),
    Region("subcarinal node", (-27.6, 184.8, -519.8), 3.5, False),
    Region("hilar mass", (-52.6, 167.6, -497.8), 6.0, False),
    Region("collapsed lobe", (-44.8, 128.5, -497.8), 6.0, False),
    Region("effusion", (-84.0, 218.0, -624.8), 8.0, False),
)
LEVELS = (-539.8, -519.8, -497.8, -624.8)  # LPS z of the slices shown, mm


def picture(volume: Volume, syn: NDArray[np.generic], labels: NDArray[np.uint8]) -> Image.Image:
    """Four slices: the scan, its Syn-CECT, the vessels found. Artery blue, vein red."""
    rows = []
    for level in LEVELS:
        index = round(float((volume.inverse_affine @ [0.0, 0.0, level, 1.0])[0]))
        grey = [grey_of(np.asarray(one[index])) for one in (volume.array, syn)]
        tiles = [np.stack([one] * 3, axis=-1) for one in grey] + [painted(grey[0], labels[index])]
        rows.append(np.concatenate([tile[80:450, 50:470] for tile in tiles], axis=1))
    return Image.fromarray(np.concatenate(rows))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="python -m benchmarks.real_regions", description=__doc__)
    result.add_argument("--models", type=Path, default=ROOT / "models", help="bundles (default: the shipped ones)")
    result.add_argument("--picture", type=Path, default=PICTURE)
    return result


def main() -> int:
    """Run, measure, print, draw."""
    args = parser().parse_args()
    folder = Path(os.environ.get("PULMOMAP_REAL_DATA", "")) / SCAN
    if not folder.is_dir():
        print(
            f"benchmarks: no scan in {folder}; set PULMOMAP_REAL_DATA to the folder that holds {SCAN}", file=sys.stderr
        )
        return 2
    (series,) = select(index_folder(folder), SelectionRules()).selected
    volume = canonical(read_volume(series))
    syn, labels = run_networks(Ncct(series, volume, lung_mask(volume).mask), args.models)
    table = Table("region", "NCCT, HU", "Syn-CECT, HU", "change, HU", "asked", "met", "called vessel")
    for region in REGIONS:
        place = ball(volume, np.array(region.centre), region.radius)
        before, after = (float(one[place.box][place.inside].mean()) for one in (np.asarray(volume.array), syn))
        met = BLOOD[0] <= after <= BLOOD[1] if region.blood else abs(after - before) < DARK
        asked = f"{BLOOD[0]:.0f} to {BLOOD[1]:.0f}" if region.blood else f"change < {DARK:.0f}"
        vessel = f"{(labels[place.box][place.inside] > 0).mean():.0%}"
        row = f"{before:.0f}", f"{after:.0f}", f"{after - before:+.0f}", asked, "yes" if met else "no", vessel
        table.add_row(region.name, *row)
    Console().print(table)
    args.picture.write_bytes(as_webp(picture(volume, syn, labels)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
