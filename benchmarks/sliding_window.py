"""``python -m benchmarks.sliding_window``: our sliding window and nnU-Net's own predictor, one network, one volume.

Needs nnU-Net (`make nnunet-env`), for `--device cuda` with a PyTorch that has CUDA. A network with random weights is
written as nnU-Net stores one and exported as our bundle. Each method is a program that stays up; they take turns, so
that a busy machine slows all alike. Processor seconds stand beside the wall's. The maps of both are compared as well.
Times do not depend on weights or on content.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.special import softmax

from benchmarks.nnunet_plan import plan
from pulmomap.inference.hardware import Device
from training.nnunet.programs import environment

PROGRAM = Path(__file__).parent / "alternatives" / "nnunet_program.py"
OURS, THEIRS = "PulmoMAP", "nnU-Net"
MIRRORED, AS_SHIPPED = "nnU-Net, mirrored", "PulmoMAP, overlap 1/4"


def volume(size: tuple[int, ...]) -> np.ndarray:
    """Two images of smooth noise, HU, without a single zero (nnU-Net crops zeros away)."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    images = [gaussian_filter(rng.standard_normal(size, np.float32), 2.0) for _ in range(2)]
    return np.stack([np.asarray(-200 + 300 * image / image.std(), np.float32) for image in images])


class Method:
    """A program that answers each line with one prediction."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.runs: list[dict[str, float]] = []
        self._answer(until="ready")

    def predict(self, save: str = "", other: str = "") -> None:
        """Predict once; ``save`` is a file for the result, ``other`` one with another volume."""
        to: IO[str] = self.process.stdin  # type: ignore[assignment]
        to.write(f"{other}\t{save}\n")
        to.flush()
        self.runs.append(json.loads(self._answer(until="{")))

    def _answer(self, until: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(until):
                return line
        raise SystemExit(f"{self.process.args} ended with {self.process.wait()}")

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def median(self, figure: str) -> float:
        return statistics.median(run[figure] for run in self.runs)


def serve(bundle: Path, given: Path, device: Device, threads: int) -> None:
    """Our side of the protocol of :class:`Method`."""
    from pulmomap.inference.segmentation import open_vessel_model, probabilities

    model = open_vessel_model(bundle, device=device, threads=threads)
    low, high = model.bundle.config.preprocessing.clip_hu
    hu = np.load(given)
    print("ready", flush=True)
    for line in sys.stdin:
        wall, busy = time.perf_counter(), time.process_time()
        found = probabilities(np.clip(hu, low, high), model)
        figures = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - busy}
        if save := line.rstrip("\n").partition("\t")[2]:
            np.save(save, found)
        figures["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps(figures | gpu_peak(device)), flush=True)


def gpu_peak(device: Device) -> dict[str, float]:
    """Of the memory that PyTorch took on a GPU."""
    import torch

    return {"gpu_peak_mib": torch.cuda.max_memory_allocated() / 2**20} if device == "cuda" else {}


def prepare(folder: Path, arguments: argparse.Namespace) -> None:
    """Write plan, nnU-Net's folder, our bundle and the volume."""
    from training.__main__ import main as training

    content = plan([arguments.patch] * 3, arguments.features, residual=arguments.residual)
    (folder / "plan.json").write_text(json.dumps(content))
    subprocess.run(
        [str(environment() / "bin" / "python"), str(PROGRAM), "make", str(folder / "model"), str(folder / "plan.json")],
        check=True,
    )
    command = ["export", str(folder / "model"), "--out", str(folder / "bundle"), "--version", "0.0.0", "--any-size"]
    with contextlib.redirect_stdout(io.StringIO()):
        assert training(command) == 0
    np.save(folder / "volume.npy", volume(tuple(arguments.size)))


def methods(folder: Path, arguments: argparse.Namespace) -> dict[str, Method]:
    """The programs, started."""
    chosen: dict[str, dict[str, Any]] = {THEIRS: {}, OURS: {}, AS_SHIPPED: {"overlap": 0.25}}
    if arguments.mirrored:
        chosen[MIRRORED] = {"mirroring": True}
    found = {}
    for name, options in chosen.items():
        if name.startswith(THEIRS):
            start = [str(environment() / "bin" / "python"), str(PROGRAM), "serve", str(folder / "model")]
            settings = json.dumps({"threads": arguments.threads, "device": arguments.device, **options})
            found[name] = Method([*start, str(folder / "volume.npy"), settings])
        else:
            bundle = folder / "bundle"
            if "overlap" in options:
                path = bundle / "configs" / "inference.json"
                content = json.loads(path.read_text())
                content["inference"]["overlap"] = options["overlap"]
                path.write_text(json.dumps(content))
            start = [sys.executable, "-m", "benchmarks.sliding_window", "--threads", str(arguments.threads)]
            found[name] = Method(
                [*start, "--device", arguments.device, "--serve", str(bundle), str(folder / "volume.npy")]
            )
    return found


def agreement(theirs: Path, ours: Path) -> dict[str, float]:
    """How far the two maps of probabilities, and the labels in them, agree."""
    first, second = softmax(np.load(theirs), axis=0), np.load(ours)
    return {
        "largest_difference": float(np.abs(first - second).max()),
        "mean_difference": float(np.abs(first - second).mean()),
        "same_label": float((first.argmax(0) == second.argmax(0)).mean()),
    }


def parser() -> argparse.ArgumentParser:
    """The command line."""
    line = argparse.ArgumentParser(prog="python -m benchmarks.sliding_window", description=__doc__)
    line.add_argument("--size", type=int, nargs=3, default=[192, 160, 192], help="voxels (default %(default)s)")
    line.add_argument("--patch", type=int, default=64, help="side of a window (default %(default)s)")
    line.add_argument("--features", type=int, nargs="+", default=[16, 32, 64, 96, 128], help="of each level")
    line.add_argument("--residual", action="store_true", help="residual encoder")
    line.add_argument("--runs", type=int, default=3, help="of each method (default %(default)s)")
    line.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="of both (default %(default)s)")
    line.add_argument("--threads", type=int, default=0, help="CPU threads (default: each method's own choice)")
    line.add_argument("--mirrored", action="store_true", help="nnU-Net with mirroring, too")
    line.add_argument("--json", type=Path, default=Path("benchmarks/out/sliding_window.json"))
    line.add_argument("--serve", type=Path, nargs=2, help=argparse.SUPPRESS)
    return line


def main() -> None:
    """Measure and print the table."""
    arguments = parser().parse_args()
    if arguments.serve:
        serve(*arguments.serve, arguments.device, arguments.threads)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, arguments)
        running = methods(folder, arguments)
        for turn in range(arguments.runs):
            for method, file in zip(running.values(), ("theirs.npy", "ours.npy", "", ""), strict=False):
                method.predict(str(folder / file) if file and not turn else "")
        for method in running.values():
            method.close()
        content = {
            "device": arguments.device,
            "size": arguments.size,
            "patch": arguments.patch,
            "features": arguments.features,
            "residual": arguments.residual,
            "agreement": agreement(folder / "theirs.npy", folder / "ours.npy"),
            "runs": {name: method.runs for name, method in running.items()},
        }
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(content, indent=1) + "\n")
    show(running, arguments)
    print(json.dumps(content["agreement"]))


def show(running: dict[str, Method], arguments: argparse.Namespace) -> None:
    """The table; the peak is the GPU's where that does the work."""
    reference, peak = running[THEIRS], "peak_mib" if arguments.device == "cpu" else "gpu_peak_mib"
    title = f"{arguments.size}, {arguments.device}"
    table = Table("what", "seconds", "CPU seconds", "times faster", "by CPU", "peak MiB", title=title)
    for name, method in running.items():
        faster = [f"{reference.median(one) / method.median(one):.1f}" for one in ("seconds", "cpu")]
        measured = [f"{method.median(one):.2f}" for one in ("seconds", "cpu")]
        table.add_row(name, *measured, *faster, f"{method.median(peak):.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
