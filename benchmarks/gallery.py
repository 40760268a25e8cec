"""``python -m benchmarks.gallery``: five phantoms beside the real non-contrast scans at hand, for people to look at.

Columns are scans; rows: axial at mid lung in the soft-tissue and in the lung window, coronal, brightest voxel of the
lungs from the front; where there is truth, its trees from the front: arteries blue, veins red, airways green. Writes
``docs/images/phantoms.webp``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from PIL import Image

from benchmarks.realism import KERNELS, real_scans
from pulmomap.phantom.thorax import Phantom, draw
from pulmomap.phantom.truth import ARTERY, VEIN

OUT = Path(__file__).resolve().parents[1] / "docs" / "images" / "phantoms.webp"
SEEDS = [201, 202, 203, 204, 205]
SOFT, LUNG = (-160.0, 240.0), (-1000.0, 200.0)
SIDE = 240

Grey = NDArray[np.uint8]


def window(hu: NDArray[np.generic], bounds: tuple[float, float]) -> Grey:
    """HU to grey within a window."""
    low, high = bounds
    return np.asarray(np.clip((hu.astype(np.float32) - low) / (high - low) * 255, 0, 255), dtype=np.uint8)


def tile(picture: Grey) -> Grey:
    """The middle of a picture (rows, columns, perhaps RGB) at 1 mm, as RGB in ``SIDE`` pixels square for 340 mm."""
    reach = 170
    coloured = picture if picture.ndim == 3 else np.stack([picture] * 3, axis=-1)
    padded = np.pad(coloured, [(reach, reach), (reach, reach), (0, 0)])
    row, column = (size // 2 for size in picture.shape[:2])
    cut = padded[row : row + 2 * reach, column : column + 2 * reach]
    return np.asarray(Image.fromarray(cut).resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def column(volume: Volume, lungs: Volume) -> Grey:
    """One scan's pictures, one above the other."""
    hu, inside = np.asarray(volume.array), np.asarray(lungs.array) > 0
    levels = np.flatnonzero(inside.any(axis=(1, 2)))
    axial = hu[int(levels[0] + 0.55 * (levels[-1] - levels[0]))]
    middle = int(np.argwhere(inside.any(axis=(0, 2))).mean())
    brightest = np.where(inside, hu, -1000).max(axis=1)
    coronal = [np.flip(hu[:, middle], axis=0), np.flip(brightest, axis=0)]
    pictures = [window(axial, SOFT), window(axial, LUNG), window(coronal[0], LUNG), window(coronal[1], (-900.0, 100.0))]
    return np.vstack([tile(picture) for picture in pictures])


def trees(phantom: Phantom) -> Grey:
    """The trees from the front: how much of each lies behind a pixel, RGB."""
    lumen = np.asarray(phantom.labels.array) == phantom.label_names["airway_lumen"]
    vessels = np.asarray(phantom.vessels.array)
    depths = [np.flip(part.sum(axis=1), axis=0) for part in (vessels == VEIN, lumen, vessels == ARTERY)]
    return tile(np.stack([window(np.sqrt(depth), (0.0, 3.0)) for depth in depths], axis=-1))


def with_trees(phantom: Phantom) -> Grey:
    """A phantom's column, the trees at its foot."""
    return np.vstack([column(phantom.ncct, phantom.lungs), trees(phantom)])


def parser() -> argparse.ArgumentParser:
    """The command line: nothing to choose."""
    return argparse.ArgumentParser(prog="python -m benchmarks.gallery", description=__doc__)


def main() -> int:
    """Draw, read, write."""
    parser().parse_args()
    columns = [with_trees(draw(seed, kernel=KERNELS[number % 3])) for number, seed in enumerate(SEEDS)]
    nothing = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    real = [np.vstack([column(volume, lungs), nothing]) for name, volume, lungs in real_scans() if "ncct" in name]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.hstack(columns + real)).save(OUT, quality=80)
    print(f"{OUT}: {len(columns)} phantoms, then {len(real)} real scans")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
