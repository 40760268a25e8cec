"""``python -m benchmarks``: wall time and peak memory of each stage, and of what a user would pick instead.

Each measurement is a process of its own, so that peak memory is its own. Figures of one run can be compared with each
other; figures of different machines, or of a loaded one, only as ratios. Results: a table on the terminal and
``benchmarks/out/bench.json``.
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
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("volume", "synthesis", "segmentation", "measurement", "ct", "seg", "sr", "report", "publish")
ALTERNATIVES = {
    "read series: PulmoMAP": "benchmarks.alternatives.pulmomap_reading",
    "read series: MONAI Deploy SDK": "benchmarks.alternatives.sdk_reading",
    "read series: highdicom": "benchmarks.alternatives.highdicom_reading",
    "read series: SimpleITK": "benchmarks.alternatives.simpleitk_reading",
}


def case_folder(given: Path | None, work: Path) -> tuple[Path, str]:
    """The series to measure on: the given one, the real 275-slice NCCT where it is at hand, else a phantom."""
    if given is not None:
        return given, given.name
    real = os.environ.get("PULMOMAP_REAL_DATA")
    if real and (Path(real) / "lidc-0314-ncct").is_dir():
        return Path(real) / "lidc-0314-ncct", "LIDC-IDRI-0314 (275 slices of 512x512)"
    command = [sys.executable, "-m", "training", "phantom", "--seed", "1", "--out", str(work / "phantom")]
    command.append("--no-breathing")
    subprocess.run(command, cwd=ROOT, check=True)
    return work / "phantom" / "ncct", "phantom, seed 1"


def run_app(study: Path, out: Path) -> dict[str, Any]:
    """One whole run of the app: its manifest, wall seconds and peak memory."""
    command = [sys.executable, "-m", "app", "-i", str(study), "-o", str(out), "-m", "models", "-l", "ERROR"]
    result = measure(command)
    manifest = json.loads((out / "manifest.json").read_text())
    series = next(one for one in manifest["series"] if one["outcome"] == "done")
    return {**result, "stages": {name: series["seconds"][name] for name in STAGES}, "peaks": series["peak_mib"]}


def measure(command: list[str]) -> dict[str, Any]:
    """Wall seconds and peak resident MiB of a process and its children, by GNU-like accounting of a wrapper."""
    wrapper = (
        "import json, resource, subprocess, sys, time\n"
        "begin = time.perf_counter()\n"
        "process = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)\n"
        "code = process.returncode\n"
        "if code: print(process.stderr, file=sys.stderr)\n"
        "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024\n"
        "print(json.dumps({'seconds': time.perf_counter() - begin, 'peak_mib': peak, 'code': code}))"
    )
    output = subprocess.run(
        [sys.executable, "-c", wrapper, *command], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    result: dict[str, Any] = json.loads(output)
    if result["code"] != 0:
        raise SystemExit(f"{' '.join(command)} ended with exit code {result['code']}")
    return result


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--study", type=Path, help="folder with the series to measure on")
    parser.add_argument("--repeat", type=int, default=3, help="runs; medians are reported (default 3)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study, title = case_folder(arguments.study, Path(folder))
        runs = [run_app(study, Path(folder) / f"out{number}") for number in range(arguments.repeat)]
        others = {
            name: [measure([sys.executable, "-m", module, str(study)]) for _ in range(arguments.repeat)]
            for name, module in ALTERNATIVES.items()
        }
    rows = rows_of(runs, others)
    arguments.out.mkdir(parents=True, exist_ok=True)
    facts = {
        "case": title,
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "repeat": arguments.repeat,
        "rows": rows,
    }
    (arguments.out / "bench.json").write_text(json.dumps(facts, indent=2))
    table = Table("what", "seconds (median)", "peak MiB", title=f"{title}; {facts['cores']} cores")
    for row in rows:
        table.add_row(row["what"], f"{row['seconds']:.2f}", str(row["peak_mib"]))
    Console().print(table)


def rows_of(runs: list[dict[str, Any]], others: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """One row a stage, one for the whole, one an alternative. A stage's peak is the process' peak when it ended."""
    rows = [
        {
            "what": f"stage: {name}",
            "seconds": statistics.median(run["stages"][name] for run in runs),
            "peak_mib": max(run["peaks"][name] for run in runs),
        }
        for name in STAGES
    ]
    outside = [sum(run["stages"].values()) - run["stages"]["synthesis"] - run["stages"]["segmentation"] for run in runs]
    rows.append({"what": "stages outside the networks", "seconds": statistics.median(outside), "peak_mib": ""})
    for name, results in {"whole app, start to exit": runs, **others}.items():
        seconds = statistics.median(one["seconds"] for one in results)
        rows.append({"what": name, "seconds": seconds, "peak_mib": max(one["peak_mib"] for one in results)})
    return rows


if __name__ == "__main__":
    main()
