"""``python -m benchmarks.metrics``: the perinodular comparison of both vessels, and MONAI on the whole volume.

Both get the same two label maps and must give the same numbers: Dice, HD95 and average surface distance in the 50 mm
sphere, surfaces taken from the whole masks. MONAI has no regions, so its own building blocks (mask edges, surface
distances) run on the whole volume and the sphere is cut out of their results. Beside it stand MONAI's ready-made
metrics of the whole volume, which answer another question.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from scipy.ndimage import gaussian_filter

from pulmomap.case import Vessel
from pulmomap.metrics.compare import compare

Labels = npt.NDArray[np.uint8]
SPACING = (1.0, 0.8, 0.8)
DIAMETER = 50.0


def tubes(side: int, seed: int) -> tuple[Labels, Labels]:
    """A reference of winding tubes of both classes, and a prediction that is shifted by a voxel and has gaps."""
    rng = np.random.default_rng(seed)

    def field() -> npt.NDArray[np.float32]:
        smooth = gaussian_filter(rng.standard_normal((side,) * 3, dtype=np.float32), side / 32)
        return np.asarray(smooth / smooth.std(), np.float32)

    reference = np.zeros((side,) * 3, np.uint8)
    for vessel in Vessel:
        # Two smooth fields vanish together along curves.
        reference[np.hypot(field(), field()) < 0.25] = vessel
    gaps = field() > 1.5
    predicted = np.roll(reference, 1, axis=1)
    predicted[gaps] = 0
    return predicted, reference


def ours(predicted: hd.Volume, reference: hd.Volume, centre: tuple[float, float, float]) -> list[float]:
    """Dice, HD95 and ASSD of artery and vein."""
    result = compare(predicted, reference, centre, DIAMETER)
    vessels = (result.artery, result.vein)
    return [score.value for one in vessels for score in (one.local_dice, one.hd95, one.assd)]


def monai_regional(predicted: hd.Volume, reference: hd.Volume, centre: tuple[float, float, float]) -> list[float]:
    """The same numbers by MONAI's building blocks on the whole volume."""
    from monai.metrics import compute_dice
    from monai.metrics.utils import get_mask_edges, get_surface_distance
    from torch import from_numpy

    grid = np.ogrid[tuple(slice(0, size) for size in predicted.spatial_shape)]
    squares = [(axis * step - at) ** 2 for axis, step, at in zip(grid, SPACING, centre, strict=True)]
    ball = squares[0] + squares[1] + squares[2] <= (DIAMETER / 2 + 1e-6) ** 2
    numbers = []
    for vessel in Vessel:
        masks = [volume.array == vessel for volume in (predicted, reference)]
        edges = get_mask_edges(masks[0], masks[1], crop=False)
        directed = [
            np.asarray(get_surface_distance(here & ball, there, spacing=SPACING))
            for here, there in (edges, tuple(reversed(edges)))
        ]
        dice = compute_dice(*(from_numpy(mask & ball)[None, None] for mask in masks))
        numbers += [dice.item(), max(np.percentile(one, 95) for one in directed), np.concatenate(directed).mean()]
    return numbers


def monai_whole(predicted: hd.Volume, reference: hd.Volume, _: tuple[float, float, float]) -> list[float]:
    """MONAI's ready-made metrics of the whole volume."""
    from monai.metrics import compute_average_surface_distance, compute_dice, compute_hausdorff_distance
    from torch import from_numpy

    pair = [
        from_numpy(np.stack([volume.array == vessel for vessel in Vessel])[None]) for volume in (predicted, reference)
    ]
    return [
        *compute_dice(*pair)[0].tolist(),
        *compute_hausdorff_distance(*pair, include_background=True, percentile=95, spacing=SPACING)[0].tolist(),
        *compute_average_surface_distance(*pair, include_background=True, symmetric=True, spacing=SPACING)[0].tolist(),
    ]


def seconds(run: Callable[[], Any], repeat: int) -> tuple[float, Any]:
    """Median wall time and the result."""
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - begin)
    return statistics.median(times), result


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.metrics", description=__doc__)
    parser.add_argument("--side", type=int, default=256, help="voxels along each axis (default 256)")
    parser.add_argument("--repeat", type=int, default=3, help="runs; medians are reported (default 3)")
    arguments = parser.parse_args()
    import monai.metrics  # noqa: F401  its import is not what is measured

    affine = np.diag([*SPACING, 1.0])
    predicted, reference = (hd.Volume(one, affine, "PATIENT") for one in tubes(arguments.side, seed=1))
    z, y, x = (0.5 * arguments.side * step for step in SPACING)
    table = Table("what", "seconds (median)", "times ours", title=f"{arguments.side}^3 voxels, both vessels")
    results = {}
    for run in (ours, monai_regional, monai_whole):
        results[run.__name__] = seconds(partial(run, predicted, reference, (z, y, x)), arguments.repeat)
        ratio = results[run.__name__][0] / results["ours"][0]
        table.add_row(run.__name__, f"{results[run.__name__][0]:.3f}", f"{ratio:.1f}")
    np.testing.assert_allclose(results["ours"][1], results["monai_regional"][1], rtol=1e-5)
    Console().print(table)
    Console().print("ours and monai_regional agree:", [round(value, 4) for value in results["ours"][1]])


if __name__ == "__main__":
    main()
