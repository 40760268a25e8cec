"""Checks that run the image as a hospital does: no network, read-only root, no capabilities, an unprivileged user."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from container.build import ROOT
from container.engine import docker
from container.inspection import HARDENED, require

USERS = ("1000:1000", "12345:54321")
SOP_CLASSES = {
    "syn-cect/0001.dcm": "1.2.840.10008.5.1.4.1.1.2",
    "vessels.seg.dcm": "1.2.840.10008.5.1.4.1.1.66.4",
    "measurements.sr.dcm": "1.2.840.10008.5.1.4.1.1.88.34",
}
REGISTRATION = """
import itk, numpy
z, y, x = numpy.mgrid[:40, :40, :40]
blob = lambda c: numpy.exp(-((z - c) ** 2 + (y - 20) ** 2 + (x - 20) ** 2) / 80).astype("float32")
fixed, moving = (itk.image_view_from_array(blob(c)) for c in (20, 23))
parameters = itk.ParameterObject.New()
parameters.AddParameterMap(parameters.GetDefaultParameterMap("rigid"))
_, found = itk.elastix_registration_method(fixed, moving, parameter_object=parameters, log_to_console=False)
print(found.GetParameterMap(0)["TransformParameters"][5])
"""
# Every module of the product, for what the pruning may have taken from under it.
IMPORTS = """
import importlib, os, pathlib
root = pathlib.Path(os.environ["HOLOSCAN_APPLICATION"])
names = [".".join(path.relative_to(root).with_suffix("").parts) for path in sorted(root.rglob("*.py"))]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name.removesuffix(".__init__"))
print(len(names))
"""


def check_imports(image: str) -> None:
    """Every module of app, operators, pulmomap, training and gateway can be imported."""
    imported = int(docker(*HARDENED, "--entrypoint", "python3", image, "-c", IMPORTS))
    require(imported > 50, f"the image holds {imported} modules only")


def check_exit_codes(image: str, work: Path) -> None:
    """Wrong usage is 2, nothing suitable 3, an unknown training command 2: the verbs hide no code."""
    empty, out = work / "empty", writable(work / "no-out")
    empty.mkdir()
    mounts = ("--volume", f"{empty}:/var/holoscan/input:ro", "--volume", f"{out}:/var/holoscan/output")
    for expected, arguments in (
        (2, [*mounts, image, "--no-such-option"]),
        (2, [*mounts, image, "--models", "/nowhere"]),
        (3, [*mounts, image]),
        (2, [image, "train", "no-such-command"]),
        (2, [image, "extract"]),
        (0, [image, "--help"]),
        (0, [image, "help"]),
        (0, [image, "env"]),
    ):
        done = subprocess.run(["docker", *HARDENED, *arguments], capture_output=True, text=True, check=False)
        require(
            done.returncode == expected,
            f"{' '.join(arguments[-2:])} exited {done.returncode}, not {expected}: {done.stderr[-500:]}",
        )


def check_page(image: str, work: Path) -> None:
    """The commands of docs/container.md, word for word, on a study with nothing in it (3) and to extract (0).

    ``monai-deploy`` says 2 for any code of the app but 0.

    ``monai-deploy run`` is among them only where its engine has the runtime that it insists on.
    """
    page = (ROOT / "docs" / "container.md").read_text()
    blocks = [block.replace("$ ", "", 1) for block in re.findall(r"```console\n(.*?)```", page, flags=re.DOTALL)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    there = shutil.which("monai-deploy", path=path) and "nvidia" in json.loads(
        docker("info", "--format", "{{json .Runtimes}}")
    )
    for number, block in enumerate(blocks):
        if "docker run" not in block and not (there and "monai-deploy run" in block):
            continue
        folder = work / f"page-{number}"
        (folder / "study").mkdir(parents=True)
        (folder / "out").mkdir()
        done = subprocess.run(
            ["sh", "-c", block.replace("pulmomap:0.1.0", image)],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        expected = 0 if "extract" in block else 3 if "docker run" in block else 2
        said = (done.stdout + done.stderr)[-500:]
        require(done.returncode == expected, f"{block.strip()} exited {done.returncode}, not {expected}: {said}")
    require((folder / "docs-out" / "sbom.cdx.json").is_file(), "the page's command brings out no bill of materials")


def check_doors(image: str, work: Path) -> None:
    """The training door draws a phantom, and elastix finds a known shift of 3 mm; the gateway answers if it is there.

    The phantom in ``work`` is the study of :func:`check_app`.
    """
    docker(
        *HARDENED, "--volume", f"{writable(work / 'phantom')}:/data", image,
        *("train", "phantom", "--seed", "7", "--no-breathing", "--spacing", "2", "--out", "/data/patient"),
    )  # fmt: skip
    shift = float(docker(*HARDENED, "--entrypoint", "python3", image, "-c", REGISTRATION))
    require(abs(shift - 3) < 0.05, f"elastix finds a shift of {shift} mm, not 3")
    if (ROOT / "gateway" / "__main__.py").exists():
        docker(*HARDENED, image, "gateway", "--help")


def check_app(image: str, work: Path) -> None:
    """A CT becomes DICOM, and every user gets the same bytes."""
    results = []
    for user in USERS:
        out = writable(work / f"out-{user.split(':')[0]}")
        docker(
            *HARDENED, "--user", user,
            *("--volume", f"{work / 'phantom/patient/ncct'}:/var/holoscan/input:ro"),
            *("--volume", f"{out}:/var/holoscan/output"), image,
        )  # fmt: skip
        manifest = json.loads((out / "manifest.json").read_text())
        (series,) = manifest["series"]
        require(series["outcome"] == "done", f"as {user} the series is {series['outcome']}: {series['detail']}")
        for name, sop_class in SOP_CLASSES.items():
            content = (out / series["key"] / name).read_bytes()
            require(content[128:132] == b"DICM" and sop_class.encode() in content[:400], f"{name} is no {sop_class}")
        results.append({path: (out / path).read_bytes() for path in series["outputs"]})
    require(results[0] == results[1], f"the users {' and '.join(USERS)} got different bytes")


def check_stop(image: str, work: Path) -> None:
    """SIGTERM ends a running container at once: its process 1 is an init that passes it on."""
    out = writable(work / "stopped")
    name = docker(
        *("run", "--detach", "--network", "none", "--read-only", "--tmpfs", "/tmp"),  # noqa: S108
        *("--volume", f"{work / 'phantom/patient/ncct'}:/var/holoscan/input:ro"),
        *("--volume", f"{out}:/var/holoscan/output", image),
    ).strip()
    try:
        while not (out / "manifest.json").exists():
            running = docker("inspect", "--format", "{{.State.Running}}", name).strip()
            require(running == "true", f"the app ended before its manifest: {docker('logs', name)}")
            time.sleep(0.2)
        docker("kill", "--signal", "TERM", name)
        code = int(docker("wait", name))
        require(code == 143, f"after SIGTERM the container exited {code}, not 143")
    finally:
        docker("rm", "--force", name)


def writable(folder: Path) -> Path:
    """A new folder that any user of a container may write."""
    folder.mkdir()
    folder.chmod(0o777)
    return folder
