"""``python -m benchmarks.drawing``: what a phantom costs, alone and two at once, and what a training step waits for.

Phantoms are drawn by fresh processes of one thread each: one alone, then one on each of ``--processes``, in turns. Wall
times of a busy machine say little; processor seconds and the ratio within one run say more. Then a training step is
taken apart: seconds for its crops beside seconds for its network. Figures for more cores are derived, and say so.
Results: a table on the terminal and ``benchmarks/out/drawing.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
STORE_SPACING = 2.5  # mm, of the two phantoms that crops are taken from; a crop costs the same at any spacing
CORES = 16  # of the machine that is derived, never measured


def drawn(seed: int, spacing: float) -> dict[str, float]:
    """Draw one phantom in this process: wall and processor seconds, page faults, peak MiB of the process."""
    import torch

    from pulmomap.phantom.thorax import draw

    torch.set_num_threads(1)
    before, begin = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    draw(seed, spacing)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "wall": time.perf_counter() - begin,
        "user": after.ru_utime - before.ru_utime,
        "system": after.ru_stime - before.ru_stime,
        "faults": float(after.ru_minflt - before.ru_minflt),
        "peak_mib": after.ru_maxrss / 1024,
    }


def at_once(seeds: list[int], spacing: float) -> list[dict[str, float]]:
    """Each seed in a process of its own, all at the same time."""
    with ProcessPoolExecutor(len(seeds), mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        return list(pool.map(drawn, seeds, [spacing] * len(seeds)))


def step_of(recipe: str, preset_name: str, steps: int) -> dict[str, float]:
    """Median seconds of one training step's crops and of its network, on this machine's device."""
    from training.batches import needs, training_batch
    from training.cases import Cases
    from training.loops.choice import loop_of
    from training.prepare import phantom_name, prepare_phantoms
    from training.processes import make_fabric
    from training.recipe import load_preset
    from training.store import split_of

    preset = load_preset(recipe, preset_name)
    sides = [split_of(phantom_name(seed)) for seed in range(1, 100)]
    seeds = [1 + sides.index("train"), 1 + sides.index("validation")]
    crops, network = [], []
    with tempfile.TemporaryDirectory() as folder:
        prepare_phantoms(seeds, Path(folder), spacing=STORE_SPACING)
        cases, fabric = Cases(Path(folder), needs(preset)), make_fabric(preset.precision)
        loop = loop_of(preset)(fabric, preset)
        for step in range(steps + 1):
            begin = time.perf_counter()
            batch = training_batch(cases.train, preset, step)
            between = time.perf_counter()
            loop.step(fabric.to_device(batch), step, 0.5)
            if step:  # the first step warms up
                crops.append(between - begin)
                network.append(time.perf_counter() - between)
    return {"batch": preset.batch, "crops": statistics.median(crops), "network": statistics.median(network)}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="python -m benchmarks.drawing", description=__doc__)
    result.add_argument("--first", type=int, default=101, help="first seed (default %(default)s)")
    result.add_argument("--spacing", type=float, default=1.0, help="mm (default %(default)s)")
    result.add_argument("--processes", type=int, default=2, help="phantoms drawn at once (default %(default)s)")
    result.add_argument("--repeat", type=int, default=2, help="turns (default %(default)s)")
    result.add_argument("--recipe", default="vessel_segmentation")
    result.add_argument("--preset", default="recommended")
    result.add_argument("--steps", type=int, default=3, help="training steps; 0 leaves them out (default %(default)s)")
    return result


def main() -> int:
    """Measure, print the table, write the JSON."""
    args = parser().parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    alone: list[dict[str, float]] = []
    together: list[dict[str, float]] = []
    seeds = list(range(args.first, args.first + args.processes))
    for turn in range(args.repeat):
        alone += at_once([seeds[turn % len(seeds)]], args.spacing)
        together += at_once(seeds, args.spacing)
    table = Table("what", "value", title=f"phantoms at {args.spacing:g} mm, one thread each")
    facts = rows_of(alone, together, args.processes)
    if args.steps:
        step = step_of(args.recipe, args.preset, args.steps)
        facts[f"{args.recipe} {args.preset}: crops of a step of {step['batch']:g}, s"] = step["crops"]
        facts[f"{args.recipe} {args.preset}: network of a step, s"] = step["network"]
        facts["share of a step spent on crops"] = step["crops"] / (step["crops"] + step["network"])
    for name, value in facts.items():
        table.add_row(name, f"{value:.3g}")
    Console().print(table)
    out = ROOT / "benchmarks" / "out"
    out.mkdir(exist_ok=True)
    content = {"cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0], "alone": alone, "together": together}
    (out / "drawing.json").write_text(json.dumps(content | {"rows": facts}, indent=1) + "\n")
    return 0


def rows_of(alone: list[dict[str, float]], together: list[dict[str, float]], processes: int) -> dict[str, float]:
    """The table's rows, medians."""

    def median(runs: list[dict[str, float]], *names: str) -> float:
        return statistics.median(sum(run[name] for name in names) for run in runs)

    one, many = (median(runs, "user", "system") for runs in (alone, together))
    return {
        "one alone: wall, s": median(alone, "wall"),
        "one alone: processor, s": one,
        "of it in the kernel, s": median(alone, "system"),
        "page faults": median(alone, "faults"),
        "peak memory, MiB": max(run["peak_mib"] for run in alone + together),
        f"{processes} at once: wall of each, s": median(together, "wall"),
        f"{processes} at once: processor of each, s": many,
        "processor seconds at once over alone": many / one,
        "wall at once over alone": median(together, "wall") / median(alone, "wall"),
        f"DERIVED, not measured: phantoms an hour on {CORES} cores": CORES * 3600 / many,
    }


if __name__ == "__main__":
    raise SystemExit(main())
