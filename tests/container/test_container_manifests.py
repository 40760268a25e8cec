"""The manifests are those that MONAI Deploy's own packager writes, and the Dockerfile's ENV and labels are its too."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from container.manifests import COMMAND, application_manifest, main, package_manifest
from pulmomap import __version__

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = {
    "4.2.0": {
        "holoscan": {
            "debian-version": "none",
            "wheel-version": "4.2.0",
            "base-images": {"dgpu": "debian:bookworm-slim", "igpu": "none", "cpu": "debian:bookworm-slim"},
            "build-images": {"igpu": {}, "dgpu": {}, "cpu": {}},
        },
        "health-probes": {},
    }
}
# The packager, with its last step replaced: what docker would get is kept instead.
PACKAGE = """
import shutil, sys
from holoscan_cli import __main__ as cli
from holoscan_cli.packager import container_builder
target = sys.argv.pop(1)
container_builder.create_and_get_builder = lambda name: name
container_builder.build_docker_image = lambda **kept: shutil.copytree(kept["context_path"], target)
sys.argv[0] = "monai-deploy"
cli.main(sys.argv)
"""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build context that ``monai-deploy package app`` would hand to docker."""
    folder = tmp_path_factory.mktemp("packager")
    (folder / "artifacts.json").write_text(json.dumps(ARTIFACTS))
    command = [sys.executable, "-c", PACKAGE, str(folder / "map"), "package", "app", "--config", "app.yaml"]
    command += ["--models", "models", "--tag", f"pulmomap:{__version__}", "--platform", "x86_64"]
    command += ["--sdk", "monai-deploy", "--source", str(folder / "artifacts.json"), "--uid", "1000", "--gid", "1000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (folder / "map" / "Dockerfile").exists(), done.stdout + done.stderr
    return folder / "map"


def config() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "app.yaml").read_text())
    return content


def instructions(dockerfile: Path) -> dict[str, dict[str, str]]:
    """ENV and LABEL of a Dockerfile's last stage."""
    text = dockerfile.read_text().replace("\\\n", " ")
    last = re.split(r"^FROM ", text, flags=re.MULTILINE)[-1]
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)", text, flags=re.MULTILINE))
    found: dict[str, dict[str, str]] = {"ENV": {}, "LABEL": {}}
    for kind, rest in re.findall(r"^(ENV|LABEL) (.*)$", last, flags=re.MULTILINE):
        for word in shlex.split(rest):
            name, value = word.split("=", 1)
            found[kind][name] = re.sub(r"\$\{(\w+)\}", lambda match: arguments.get(match[1], match[0]), value)
    return found


def test_app_json_is_the_packagers(rendered: Path) -> None:
    """Ours says the command by module, and has the two fields beside that the specification asks for."""
    theirs = json.loads((rendered / "map" / "app.json").read_text())
    ours = application_manifest(config())
    assert ours.pop("type") == "application"
    assert ours["input"].pop("format") == "file"
    assert ours["output"].pop("format") == "file"
    assert json.loads(ours.pop("command")) == list(COMMAND)
    assert json.loads(theirs.pop("command")) == ["python3", "/opt/holoscan/app"]
    assert ours == theirs


def test_pkg_json_is_the_packagers(rendered: Path) -> None:
    theirs = json.loads((rendered / "map" / "pkg.json").read_text())
    assert package_manifest(config(), ROOT / "models", "dgpu") == theirs


def test_environment_holds_the_packagers(rendered: Path) -> None:
    theirs = {
        name: value
        for name, value in instructions(rendered / "Dockerfile")["ENV"].items()
        if name.startswith("HOLOSCAN_")
    }
    ours = instructions(ROOT / "Dockerfile")["ENV"]
    assert len(theirs) == 12
    assert theirs == {name: ours.get(name) for name in theirs}


def test_labels_hold_the_packagers(rendered: Path) -> None:
    theirs = instructions(rendered / "Dockerfile")["LABEL"]
    ours = instructions(ROOT / "Dockerfile")["LABEL"]
    assert len(theirs) == 6
    assert theirs == {name: ours.get(name) for name in theirs}


def test_one_version_everywhere() -> None:
    assert config()["application"]["version"] == __version__
    assert instructions(ROOT / "Dockerfile")["LABEL"]["org.opencontainers.image.version"] == __version__


def test_files_are_written(tmp_path: Path) -> None:
    assert main([str(ROOT / "app.yaml"), str(ROOT / "models"), "cpu", str(tmp_path / "etc")]) == 0
    assert json.loads((tmp_path / "etc" / "app.json").read_text())["version"] == __version__
    package = json.loads((tmp_path / "etc" / "pkg.json").read_text())
    assert package["platformConfig"] == "cpu"
    assert package["models"] == {
        name: f"/opt/holoscan/models/{name}" for name in ("contrast_synthesis", "vessel_segmentation")
    }
