"""Checks of an image that look at it without running the app: its labels, manifests, contents and history."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from container.build import ROOT, parse_pip
from container.engine import docker
from container.manifests import ENVIRONMENT, application_manifest, package_manifest

CPU_BYTES = 2_500_000_000
HARDENED = (
    *("run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),  # noqa: S108
    *("--security-opt", "no-new-privileges"),
)


class CheckError(AssertionError):
    """The image is not what it should be; one sentence says how."""


def require(condition: bool, sentence: str) -> None:
    """Fail with a sentence unless the condition holds."""
    if not condition:
        raise CheckError(sentence)


def app_yaml() -> dict[str, Any]:
    """The content of ``app.yaml``."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "app.yaml").read_text())
    return content


def check_configuration(image: str) -> None:
    """ENV, labels, user, working directory and entry point are those of a MAP; the CPU image is small enough."""
    (found,) = json.loads(docker("image", "inspect", image))
    config = found["Config"]
    environment = dict(line.split("=", 1) for line in config["Env"])
    for name, value in ENVIRONMENT.items():
        expected = value if value.startswith("/") else f"/var/holoscan/{value.rstrip('/')}"
        require(environment.get(name) == expected, f"ENV {name} is {environment.get(name)!r}, not {expected!r}")
    application = app_yaml()["application"]
    settings: dict[str, object] = {
        "User": "1000:1000",
        "WorkingDir": "/var/holoscan",
        "Entrypoint": ["/var/holoscan/tools"],
    }
    for key, setting in settings.items():
        require(config[key] == setting, f"{key} is {config[key]!r}, not {setting!r}")
    for key in ("title", "version"):
        label = config["Labels"].get(f"org.opencontainers.image.{key}")
        require(label == application[key], f"the image's {key} is {label!r}, that of app.yaml {application[key]!r}")
    size = found["Size"]
    if not image.endswith("-cuda"):
        require(size <= CPU_BYTES, f"the image has {size / 1e9:.2f} GB, more than {CPU_BYTES / 1e9} GB")


def check_manifests(image: str) -> None:
    """``show`` prints what ``app.yaml`` says."""
    config = app_yaml()
    platform = "dgpu" if image.endswith("-cuda") else "cpu"
    expected = {
        "app": application_manifest(config),
        "pkg": package_manifest(config, ROOT / "models", platform),
    }
    for name, content in expected.items():
        shown = json.loads(docker(*HARDENED, image, "show", name))
        require(shown == content, f"show {name} prints {shown}, not {content}")


def check_extract(image: str, work: Path) -> None:
    """``extract`` brings out app, models and settings byte by byte, and a bill of materials that equals the lock."""
    export = work / "export"
    export.mkdir(mode=0o777)
    export.chmod(0o777)
    docker(*HARDENED, "--volume", f"{export}:/var/run/holoscan/export", image, "extract")
    compare = subprocess.run(
        ["diff", "--recursive", "--exclude=__pycache__", ROOT / "models", export / "models"],
        capture_output=True,
        text=True,
        check=False,
    )
    require(compare.returncode == 0, f"extracted models differ: {compare.stdout[:500]}")
    for name in ("app.yaml", "app/__main__.py", "pulmomap/__init__.py", "training/__main__.py"):
        same = (export / "app" / name).read_bytes() == (ROOT / name).read_bytes()
        require(same, f"extracted {name} differs from the source: build the image again")
    flavour = "cuda" if image.endswith("-cuda") else "cpu"
    lines = (ROOT / "container" / f"requirements-{flavour}.lock").read_text().splitlines()
    locked = {line for line in lines if not line.startswith("#")}
    components = json.loads((export / "docs" / "sbom.cdx.json").read_text())["components"]
    listed = {f"{part['name'].lower().replace('_', '-')}=={part['version']}" for part in components}
    require(listed == locked, f"the bill of materials and the lock differ in {sorted(listed ^ locked)}")


def check_nothing_leaked(image: str, pip_listing: str) -> None:
    """Neither the image's history nor its files hold this machine's pip configuration, certificates or credentials."""
    history = docker("image", "history", "--no-trunc", image)
    pip = parse_pip(pip_listing)
    for value in (*pip.options.values(), *(str(path) for path in (pip.certificates, pip.wheels) if path)):
        harmless = value in ("/etc/ssl/certs/ca-certificates.crt", "/opt/wheels")
        require(harmless or value not in history, f"the image's history holds {value!r} of the building machine")
    script = (
        "cat /etc/pip.conf 2>/dev/null; ls -A /opt/wheels /root/.cache /root/.config /build /source 2>/dev/null; true"
    )
    left = docker(*HARDENED, "--user", "0", "--entrypoint", "sh", image, "-c", script)
    require(left.strip() == "", f"the image holds what only its build needs: {left.strip()[:300]}")
