"""``docker buildx build`` with this machine's pip configuration handed over as secrets that leave no trace."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from container.base import ensure_base
from container.engine import docker

ROOT = Path(__file__).resolve().parents[1]
WHEELS_IMAGE = "pulmomap-wheels:local"
WHEELS_DOCKERFILE = "FROM scratch\nCOPY *.whl /\n"


@dataclass(frozen=True)
class Pip:
    """What pip is configured to on this machine: options of ``[global]``, certificates, a folder of wheels."""

    options: dict[str, str]
    certificates: Path | None
    wheels: Path | None

    def configuration(self) -> str:
        """The ``pip.conf`` for the build; local folders are replaced by where the build mounts them."""
        options = dict(self.options)
        if self.certificates:
            options["cert"] = "/etc/ssl/certs/ca-certificates.crt"
        if self.wheels:
            options["find-links"] = "/opt/wheels"
        return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in options.items())


def parse_pip(listing: str) -> Pip:
    """Read the output of ``pip config list``. Indexes that are folders of this machine are left out."""
    values: dict[str, str] = {}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if section in ("global", "install", ":env:"):
            values[name] = value.strip("'\"").replace("\\n", " ")
    folders = [Path(word) for word in values.get("find-links", "").split() if Path(word).is_dir()]
    options = {}
    for name in ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout"):
        words = [word for word in values.get(name, "").split() if not word.startswith("file:")]
        if words:
            options[name] = " ".join(words)
    certificates = values.get("cert")
    return Pip(options, Path(certificates) if certificates else None, folders[0] if folders else None)


def tag(flavour: str) -> str:
    """The image's name, with the version of ``app.yaml``."""
    version = yaml.safe_load((ROOT / "app.yaml").read_text())["application"]["version"]
    return f"pulmomap:{version}" + ("" if flavour == "cpu" else f"-{flavour}")


def build(flavour: str) -> str:
    """Build the image of a flavour, ``cpu`` or ``cuda``, and return its name. docker's words go to the terminal."""
    ensure_base()
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    with _handed_over(parse_pip(listing), flavour) as options:
        name = tag(flavour)
        command = ["docker", "buildx", "build", "--load", "--tag", name, "--build-arg", f"FLAVOUR={flavour}"]
        subprocess.run([*command, *options, "."], check=True, cwd=ROOT)
    return name


@contextmanager
def _handed_over(pip: Pip, flavour: str) -> Iterator[list[str]]:
    options: list[str] = []
    local_torch = pip.wheels is not None and any(pip.wheels.glob("torch-*+cpu-*.whl"))
    if flavour == "cuda" or local_torch:
        options += ["--build-arg", "TORCH_INDEX="]
    if pip.wheels and flavour == "cpu":
        docker(
            "buildx", "build", "--load", "--tag", WHEELS_IMAGE, "--file", "-", str(pip.wheels), stdin=WHEELS_DOCKERFILE
        )
        options += ["--build-arg", f"WHEELS={WHEELS_IMAGE}"]
    if pip.certificates:
        options += ["--secret", f"id=ca,src={pip.certificates}"]
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(pip.configuration())
        file.flush()
        yield [*options, "--secret", f"id=pipconf,src={file.name}"]
