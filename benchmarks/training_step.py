"""``python -m benchmarks.training_step``: one training step of the synthesiser, ours and the reference release's way.

Both have the same generator, discriminator, batch, crops, precision and number of threads, and take turns in one
process. The reference way is written here from its description: the fake for the discriminator is made with a graph and
then made again for every update of the generator, which is updated three times for one update of the discriminator in
the first 50 epochs and once after; the discriminator's weights are clamped; stacks lie in memory as float32, three
slices each, read from one file a stack.

Our step draws its crops from memory-mapped volumes and augments them; the reference one picks a stack from its cache
and mirrors it. Memory is measured in a process of its own for each. Results: a table on the terminal, and
``benchmarks/out/training_step.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
SIDE = 160  # voxels of a made volume
RECIPE = """
name: step
task: synthesis
description: the published networks, narrower
presets:
  smoke:
    extends: enhance_gan/paper
    network: {{_target_: pulmomap.networks.attention_unet.AttentionUnet, channels: {channels}, norm: instance,
               in_channels: 3, out_channels: 3, zero_output: false, predicts: image}}
    crop: {{size: [3, {size}, {size}]}}
    batch: {batch}
    precision: 32-true
    adversary: {{size: {size}, network: {{_target_: pulmomap.networks.patch_discriminator.PatchDiscriminator,
                 in_channels: 6, out_channels: 3, channels: {judge}}}}}
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.training_step", description=__doc__)
    options.add_argument("--rounds", type=int, default=7, help="of each way, in turns; medians (default %(default)s)")
    options.add_argument("--cases", type=int, default=4, help="made volumes (default %(default)s)")
    options.add_argument("--batch", type=int, default=4, help="stacks (default %(default)s)")
    options.add_argument("--size", type=int, default=128, help="pixels of a stack's side (default %(default)s)")
    options.add_argument("--channels", type=int, nargs="+", default=[16, 32, 64, 128, 128], help="of the generator")
    options.add_argument("--judge", type=int, nargs="+", default=[32, 64, 128], help="channels of the discriminator")
    options.add_argument("--threads", type=int, default=1, help="CPU threads (default %(default)s)")
    options.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "out")
    options.add_argument("--memory-of", choices=["ours", "reference"], help=argparse.SUPPRESS)
    options.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    return options


def make_data(work: Path, cases: int) -> None:
    """A store of made volumes, and the same volumes as the reference release has them: one NIfTI a stack and kind."""
    import nibabel
    from scipy.ndimage import gaussian_filter

    from training.store import write_case

    for number in range(cases):
        rng = np.random.default_rng(number)
        body = gaussian_filter(rng.normal(0, 1, (SIDE,) * 3), 4)
        ncct = (-850 + 900 * (body > 0.5 * body.std()) + rng.normal(0, 20, body.shape)).astype(np.int16)
        cect = (ncct + 300 * (body > 1.5 * body.std())).astype(np.int16)
        points = np.argwhere(body > 1.5 * body.std())[::50].astype(np.int16)
        arrays = {"ncct": ncct, "vnc": ncct, "cect": cect, "enhanced": points}
        write_case(work / "store", f"case-{number}", arrays, {"source": "made"})
        for kind, volume in (("vnc", ncct), ("cect", cect)):
            folder = work / "stacks" / f"case-{number}" / kind
            folder.mkdir(parents=True)
            for middle in range(1, SIDE - 1):
                stack = np.moveaxis(volume[middle - 1 : middle + 2], 0, -1)
                nibabel.save(nibabel.Nifti1Image(stack, np.eye(4)), folder / f"{middle:04d}.nii")


def cached_stacks(work: Path, size: int) -> list[tuple[Any, Any]]:
    """The reference release's cache: every stack, clipped, scaled, cropped in the middle, float32."""
    import nibabel
    import torch

    def read(path: Path) -> Any:
        stack = np.moveaxis(np.asarray(nibabel.load(path).dataobj, np.float32), -1, 0)
        first = (SIDE - size) // 2
        cut = stack[:, first : first + size, first : first + size]
        return torch.from_numpy(np.ascontiguousarray(np.clip(cut, -1000, 1000) / 1000))

    before = sorted((work / "stacks").glob("*/vnc/*.nii"))
    return [(read(path), read(path.parents[1] / "cect" / path.name)) for path in before]


class Reference:
    """A step as the reference release makes it.

    Args:
        preset: the networks and the optimisers' settings.
        stacks: pairs (3, rows, columns) in network units.
        updates: of the generator for one of the discriminator: 3 in the first 50 epochs, then 1.
    """

    CLAMP = 0.2
    L1 = 10.0

    def __init__(self, preset: Any, stacks: list[tuple[Any, Any]], updates: int) -> None:
        import torch

        from training.recipe import build

        torch.manual_seed(0)
        self.stacks, self.updates, self.batch = stacks, updates, preset.batch
        self.generator, self.judge = build(preset.network), build(preset.adversary.network)
        rate, other = preset.optimiser, preset.adversary.optimiser
        self.optimiser = torch.optim.AdamW(self.generator.parameters(), rate.lr, betas=rate.betas)
        self.judge_optimiser = torch.optim.AdamW(self.judge.parameters(), other.lr, betas=other.betas)
        self.rng = np.random.default_rng(0)

    def __call__(self) -> None:
        import torch
        from torch.nn import functional as F

        chosen = [self.stacks[i] for i in self.rng.integers(len(self.stacks), size=self.batch)]
        axes = [axis for axis in (-2, -1) if self.rng.random() < 0.5]
        x, y = (torch.stack([pair[kind] for pair in chosen]).flip(axes) for kind in (0, 1))

        fake = x + self.generator(x)  # with a graph that is never used
        real_score, fake_score = self.judge(torch.cat([x, y], 1)), self.judge(torch.cat([x, fake.detach()], 1))
        loss = F.relu(1 - real_score).mean() + F.relu(1 + fake_score).mean()
        self.judge_optimiser.zero_grad()
        loss.backward()
        self.judge_optimiser.step()
        with torch.no_grad():
            for parameter in self.judge.parameters():
                parameter.clamp_(-self.CLAMP, self.CLAMP)

        for _ in range(self.updates):
            again = x + self.generator(x)
            loss = -self.judge(torch.cat([x, again], 1)).mean() + self.L1 * F.l1_loss(again, y)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
        del fake


class Ours:
    """A step of `fit`: crops from the store, then the loop's own step."""

    def __init__(self, preset: Any, store: Path) -> None:
        from lightning_fabric import Fabric

        from training.loops.adversarial import AdversarialLoop
        from training.store import case_folders, read_case

        self.preset, self.count = preset, 0
        self.cases = [read_case(folder) for folder in case_folders(store)]
        self.loop = AdversarialLoop(Fabric(accelerator="cpu", devices=1, precision=preset.precision), preset)

    def __call__(self) -> None:
        from training.batches import training_batch

        self.loop.step(training_batch(self.cases, self.preset, self.count), self.count, 0.5)
        self.count += 1


def presets(work: Path, options: argparse.Namespace) -> tuple[Any, Any]:
    """The same networks with the reference's own treatment of the input, and with our augmentation."""
    from training.recipe import Augmentation, load_preset

    recipe = work / "step.yaml"
    words = {key: getattr(options, key) for key in ("channels", "judge", "size", "batch")}
    recipe.write_text(RECIPE.format(**words), encoding="utf-8")
    plain = load_preset(str(recipe), "smoke")
    changed = {
        "augmentation": Augmentation(),
        "ema": 0.999,
        "crop": plain.crop.model_copy(update={"central": False, "aimed": 0.5}),
    }
    return plain, plain.model_copy(update=changed)


def memory(options: argparse.Namespace) -> dict[str, float]:
    """Seconds until data and networks are ready, and the memory they take, of one way: for a process of its own."""
    import torch

    import training.loops.adversarial  # noqa: F401  what is imported is not what is measured

    torch.set_num_threads(options.threads)
    plain, ours = presets(options.work, options)
    base = own_memory()
    begin = time.perf_counter()
    if options.memory_of == "ours":
        step: Callable[[], None] = Ours(ours, options.work / "store")
    else:
        step = Reference(plain, cached_stacks(options.work, options.size), 3)
    ready = time.perf_counter() - begin
    held = own_memory() - base
    for _ in range(2):
        step()
    return {"ready_s": ready, "held_mib": held, "with_step_mib": own_memory() - base}


def own_memory() -> float:
    """MiB that are this process's own: mapped files can be dropped at any time and do not count."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


def main() -> None:
    """Measure, print the table, write the JSON."""
    options = parser().parse_args()
    if options.memory_of:
        print(json.dumps(memory(options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        options.work = Path(folder)
        make_data(options.work, options.cases)
        found = {"seconds": seconds(options), "memory": {way: child(options, way) for way in ("ours", "reference")}}
    report(found, options)


def seconds(options: argparse.Namespace) -> dict[str, list[float]]:
    """Wall seconds of each round of each way, in turns."""
    import torch

    torch.set_num_threads(options.threads)
    plain, ours = presets(options.work, options)
    stacks = cached_stacks(options.work, options.size)
    steps: dict[str, Callable[[], None]] = {
        "ours": Ours(ours, options.work / "store"),
        "reference, epochs 1 to 50": Reference(plain, stacks, 3),
        "reference, later": Reference(plain, stacks, 1),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(options.rounds + 1):
        for name, step in steps.items():
            begin = time.perf_counter()
            step()
            if number:  # the first round is for warming up
                times[name].append(time.perf_counter() - begin)
    return times


def child(options: argparse.Namespace, way: str) -> dict[str, float]:
    """:func:`memory` in a process of its own."""
    words = ["--memory-of", way, "--work", str(options.work), "--threads", str(options.threads)]
    words += ["--batch", str(options.batch), "--size", str(options.size)]
    words += ["--channels", *map(str, options.channels), "--judge", *map(str, options.judge)]
    command = [sys.executable, "-m", "benchmarks.training_step", *words]
    answer = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    result: dict[str, float] = json.loads(answer.splitlines()[-1])
    return result


def report(found: dict[str, Any], options: argparse.Namespace) -> None:
    """Table and JSON. A ratio is the median of the rounds' own ratios, so that a busy moment counts for both."""
    own = found["seconds"]["ours"]
    ratios = {
        name: statistics.median(one / ours for one, ours in zip(times, own, strict=True))
        for name, times in found["seconds"].items()
    }
    facts = {
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "machine": platform.machine(),
        "settings": {key: getattr(options, key) for key in ("rounds", "batch", "size", "channels", "judge", "threads")},
        "stacks": options.cases * (SIDE - 2),
        "ratios": ratios,
        **found,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "training_step.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")
    table = Table("a step", "seconds (median)", "times ours", title=f"batch {options.batch}, {options.size} pixels")
    for name, times in found["seconds"].items():
        table.add_row(name, f"{statistics.median(times):.3f}", f"{ratios[name]:.2f}")
    Console().print(table)
    held = Table(
        "data and networks", "ready after, s", "held, MiB", "after two steps, MiB", title=f"{facts['stacks']} stacks"
    )
    for way, one in found["memory"].items():
        held.add_row(way, f"{one['ready_s']:.1f}", f"{one['held_mib']:.0f}", f"{one['with_step_mib']:.0f}")
    Console().print(held)


if __name__ == "__main__":
    main()
