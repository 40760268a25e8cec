"""Resolve ``requirements.txt`` to the exact packages of the image: the lock files beside this module.

pip resolves; here only what the image has no use for is left out. Run with the Python version of the image.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
HEADER = "# Every package of the image, exact. Made by `make image-lock`; do not edit.\n"
# Required by a package's metadata, but by nothing that PulmoMAP runs.
NEVER = {
    "holoscan-cli": "packages and runs MAPs, from outside",
    "python-on-whales": "of holoscan-cli",
    "perf-analyzer": "a Triton benchmark, of tritonclient[all]",
    "pip": "nothing is installed into a running container",
    "setuptools": "as pip",
}
# CUDA without a GPU. `import holoscan` needs the CUDA runtime all the same.
ONLY_CUDA = ("cuda-*", "cupy-*", "nvidia-*", "triton")
EVEN_ON_CPU = ("nvidia-cuda-runtime",)


def resolve(*requirements: str) -> dict[str, str]:
    """Let pip resolve for this Python, ignoring what is installed; return version by normalised name.

    Raises:
        subprocess.CalledProcessError: pip found no solution; its own words are on standard error.
    """
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    answer = subprocess.run([*command, *requirements], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    packages = (item["metadata"] for item in json.loads(answer.stdout)["install"])
    return {package["name"].lower().replace("_", "-"): package["version"].split("+")[0] for package in packages}


def select(packages: dict[str, str], flavour: str) -> Iterator[str]:
    """The lines of the lock of a flavour, ``cpu`` or ``cuda``."""
    for name, version in sorted(packages.items()):
        gpu = any(fnmatch(name, pattern) for pattern in ONLY_CUDA) and name not in EVEN_ON_CPU
        if name in NEVER or (gpu and flavour == "cpu"):
            continue
        local = "+cpu" if name == "torch" and flavour == "cpu" else ""
        yield f"{name}=={version}{local}"


def main() -> int:
    """Write the lock files beside this module."""
    packages = resolve("--requirement", "requirements.txt")
    contents = {flavour: select(packages, flavour) for flavour in ("cpu", "cuda")}
    contents["sbom"] = select(resolve("cyclonedx-bom==7.5.0"), "sbom")
    for name, lines in contents.items():
        (FOLDER / f"requirements-{name}.lock").write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
