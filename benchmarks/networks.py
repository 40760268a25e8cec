"""``python -m benchmarks.networks STORE/CASE``: the two networks of the application on one case, on each device.

Whole steps as in use: region of the lungs, the network's grid and back, cleaning. Each device works in a process of its
own, so that its peak memory is its own. The first run of a process counts apart: it compiles, or finds its kernels.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from pulmomap.inference.segmentation import open_vessel_model, segment
from pulmomap.inference.synthesis import open_contrast_model, synthesise
from training.store import read_case
from training.synthesise import as_ncct, case_volume

STEPS = ("synthesis", "segmentation")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds of every run, on ``arguments.only``, and the peaks of memory, MiB."""
    case, device = read_case(arguments.case), arguments.only
    ncct = as_ncct(case_volume(case, "ncct"), case_volume(case, "lungs"), case.name)
    contrast = open_contrast_model(arguments.models / "contrast_synthesis", device=device)
    vessels = open_vessel_model(arguments.models / "vessel_segmentation", device=device)
    seconds: dict[str, list[float]] = {step: [] for step in STEPS}
    for _ in range(arguments.runs + 1):
        begin = time.perf_counter()
        syn = synthesise(ncct, contrast)
        middle = time.perf_counter()
        segment(syn, vessels)
        seconds["synthesis"].append(middle - begin)
        seconds["segmentation"].append(time.perf_counter() - middle)
    return {
        "what": torch.cuda.get_device_name() if device == "cuda" else vessels.runtime.title,
        "voxels": case.shape,
        "seconds": seconds,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "gpu_peak_mib": torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else 0.0,
    }


def parser() -> argparse.ArgumentParser:
    """The command line."""
    line = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__)
    line.add_argument("case", type=Path, help="of a store")
    line.add_argument("--models", type=Path, default=Path("models"), help="default %(default)s")
    line.add_argument("--devices", nargs="+", choices=["cpu", "cuda"], default=["cpu"], help="default %(default)s")
    line.add_argument("--runs", type=int, default=3, help="after the first (default %(default)s)")
    line.add_argument("--json", type=Path, default=Path("benchmarks/out/networks.json"))
    line.add_argument("--only", choices=["cpu", "cuda"], help=argparse.SUPPRESS)
    return line


def main() -> None:
    """Measure and print the table."""
    arguments = parser().parse_args()
    if arguments.only:
        print(json.dumps(measure(arguments)))
        return
    columns = [f"{step}, s (first)" for step in STEPS]
    table, found = Table("device", *columns, "peak MiB", "of the GPU"), {}
    for device in arguments.devices:
        command = [sys.executable, "-m", "benchmarks.networks", "--only", device, *sys.argv[1:]]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found[device] = one = json.loads(answer.splitlines()[-1])
        runs = [one["seconds"][step] for step in STEPS]
        times = [f"{statistics.median(later):.2f} ({first:.2f})" for first, *later in runs]
        table.add_row(one["what"], *times, f"{one['peak_mib']:.0f}", f"{one['gpu_peak_mib']:.0f}")
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    Console().print(table)


if __name__ == "__main__":
    main()
