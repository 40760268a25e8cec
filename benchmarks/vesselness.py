"""``python -m benchmarks.vesselness``: our multi-scale vesselness and scikit-image's Frangi filter, on one volume.

Both get the same scales and the same constants. Each runs in a process of its own, so that its peak memory is its own;
the figures hold for one voxel size, 1 mm, because scikit-image knows no millimetres.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

METHODS = ("ours", "skimage")


def volume(side: int) -> npt.NDArray[np.float32]:
    """A cube of noise around -850 HU with a few bright winding tubes, HU."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    one, two = (gaussian_filter(rng.standard_normal((side,) * 3, dtype=np.float32), side / 24) for _ in range(2))
    tubes = np.hypot(one / one.std(), two / two.std()) < 0.2
    image = gaussian_filter(np.where(tubes, 40, -850).astype(np.float32), 0.6)
    return np.asarray(image + rng.normal(0, 25, image.shape), np.float32)


def run(method: str, side: int, tile: int, device: str, threads: int) -> float:
    """Seconds of one method, without its imports."""
    image = volume(side)
    from pulmomap.imaging.vesselness import SCALES_MM, STRUCTURE_HU, vesselness

    if method == "ours":
        import torch

        torch.set_num_threads(threads)
        vesselness(image[:8, :8, :8], (1.0, 1.0, 1.0), tile=tile, device=device)
        begin = time.perf_counter()
        vesselness(image, (1.0, 1.0, 1.0), tile=tile, device=device)
    else:
        from skimage import filters

        frangi: Any = filters.frangi
        begin = time.perf_counter()
        frangi(image, SCALES_MM, alpha=0.5, beta=0.5, gamma=STRUCTURE_HU, black_ridges=False, mode="nearest")
    return time.perf_counter() - begin


def parser() -> argparse.ArgumentParser:
    """The command line."""
    line = argparse.ArgumentParser(prog="python -m benchmarks.vesselness", description=__doc__)
    line.add_argument("--side", type=int, default=160, help="voxels along each axis (default %(default)s)")
    line.add_argument("--tile", type=int, default=64, help="voxels of our tiles (default %(default)s)")
    line.add_argument("--device", default="cpu", help="of ours (default %(default)s)")
    line.add_argument("--threads", type=int, default=1, help="of ours (default %(default)s)")
    line.add_argument("--only", choices=METHODS, help=argparse.SUPPRESS)
    return line


def main() -> None:
    """Measure and print the table."""
    arguments = parser().parse_args()
    if arguments.only:
        seconds = run(arguments.only, arguments.side, arguments.tile, arguments.device, arguments.threads)
        print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024]))
        return
    table = Table("what", "seconds", "peak MiB", title=f"{arguments.side}^3 voxels, four scales")
    for method in METHODS:
        command = [sys.executable, "-m", "benchmarks.vesselness", "--only", method, *sys.argv[1:]]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        seconds, peak = json.loads(answer)
        table.add_row(method, f"{seconds:.2f}", str(peak))
    Console().print(table)


if __name__ == "__main__":
    main()
