"""``python -m benchmarks.evaluation``: the perinodular metrics beside other libraries, and registration of a pair.

All methods take turns, so that their ratios hold on a busy machine too; processor seconds are steadier there than wall
seconds, and both are given. Results: two tables on the terminal and ``benchmarks/out/evaluation.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import perinodular
from pulmomap.imaging.registration.register import register
from pulmomap.imaging.registration.report import described
from pulmomap.phantom.thorax import breathe, draw

OUT = Path(__file__).resolve().parent / "out" / "evaluation.json"
SPACING = 2.5
"""mm of the phantoms that are registered."""
POINTS = 5000


def parser() -> argparse.ArgumentParser:
    """The command line."""
    line = argparse.ArgumentParser(prog="python -m benchmarks.evaluation", description=__doc__)
    line.add_argument("--side", type=int, default=256, help="voxels along each axis of the maps (default %(default)s)")
    line.add_argument("--repeat", type=int, default=3, help="turns; medians are reported (default %(default)s)")
    line.add_argument("--pairs", type=int, default=3, help="phantom pairs to register (default %(default)s)")
    line.add_argument("--out", type=Path, default=OUT, help="the JSON file")
    return line


def measure_perinodular(side: int, repeat: int) -> list[dict[str, Any]]:
    """Seconds of every method. Raises AssertionError where the numbers differ."""
    affine = np.diag([*perinodular.SPACING, 1.0])
    predicted, reference = (hd.Volume(one, affine, "PATIENT") for one in perinodular.tubes(side, seed=1))
    z, y, x = (0.5 * side * step for step in perinodular.SPACING)
    methods = perinodular.methods()
    wall: dict[str, list[float]] = {name: [] for name in methods}
    processor: dict[str, list[float]] = {name: [] for name in methods}
    numbers: dict[str, list[float]] = {}
    for turn in range(repeat + 1):
        for name, method in methods.items():
            begin, used = time.perf_counter(), time.process_time()
            numbers[name] = method(predicted, reference, (z, y, x))
            if turn:  # the first turn holds the imports
                wall[name].append(time.perf_counter() - begin)
                processor[name].append(time.process_time() - used)
    perinodular.require_same_numbers(numbers)
    base = statistics.median(processor["ours"])
    return [
        {
            "what": name,
            "wall_seconds": statistics.median(wall[name]),
            "processor_seconds": statistics.median(processor[name]),
            "times_ours": statistics.median(processor[name]) / base,
            "numbers": numbers[name],
        }
        for name in methods
    ]


def measure_registration(pairs: int) -> list[dict[str, Any]]:
    """Seconds and landmark errors of phantoms at two breath levels; landmarks lie in vessels inside the lungs."""
    rows = []
    for seed in range(1, pairs + 1):
        phantom = draw(seed, SPACING)
        breathing = breathe(phantom.body, SPACING)
        inside = np.argwhere((phantom.vessels.array > 0) & (phantom.lungs.array > 0))
        chosen = inside[np.random.default_rng(0).choice(len(inside), min(POINTS, len(inside)), replace=False)]
        points = chosen @ phantom.cect.affine[:3, :3].T + phantom.cect.affine[:3, 3]
        landmarks = points, points + breathing.breath.displacement(points)
        begin = time.perf_counter()
        found = register(phantom.cect, breathing.ncct, landmarks=landmarks, threads=len(os.sched_getaffinity(0)))
        rows.append({"seed": seed, "wall_seconds": time.perf_counter() - begin, **described(found, landmarks)})
    return rows


def main() -> None:
    """Measure, write the JSON, print the tables."""
    arguments = parser().parse_args()
    facts: dict[str, Any] = {
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "machine": platform.machine(),
        "python": platform.python_version(),
        "side": arguments.side,
        "perinodular": measure_perinodular(arguments.side, arguments.repeat),
    }
    console = Console()
    console.print(perinodular_table(facts))
    facts["registration"] = measure_registration(arguments.pairs)
    if facts["registration"]:
        console.print(registration_table(facts))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    console.print(arguments.out)


def perinodular_table(facts: dict[str, Any]) -> Table:
    """One row a method."""
    title = f"both vessels, {facts['side']}^3 voxels, load {facts['load']:.1f}"
    table = Table("what", "wall s", "processor s", "times ours", title=title)
    for row in facts["perinodular"]:
        seconds = f"{row['wall_seconds']:.3f}", f"{row['processor_seconds']:.3f}"
        table.add_row(row["what"], *seconds, f"{row['times_ours']:.1f}")
    return table


def registration_table(facts: dict[str, Any]) -> Table:
    """One row a pair; errors are medians in mm."""
    stages = ("as_scanned", "rigid", "affine", "bspline")
    table = Table("phantom", *stages, "elastix s", "whole s", "believed", title=f"registration, {facts['cores']} cores")
    for row in facts["registration"]:
        errors = [f"{row['tre_mm'][stage]:.2f}" for stage in stages]
        seconds = f"{row['seconds']:.0f}", f"{row['wall_seconds']:.0f}"
        table.add_row(str(row["seed"]), *errors, *seconds, "yes" if row["plausible"] else "no")
    return table


if __name__ == "__main__":
    main()
