"""The two manifests of a MAP, made from ``app.yaml`` (MONAI Application Package specification 1.0)."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

SDK = "monai-deploy-app-sdk"
APPLICATION_ROOT = "/opt/holoscan/app"
MODEL_ROOT = "/opt/holoscan/models"
WORKING_DIRECTORY = "/var/holoscan"
ENVIRONMENT = {
    "HOLOSCAN_APPLICATION": APPLICATION_ROOT,
    "HOLOSCAN_INPUT_PATH": "input/",
    "HOLOSCAN_OUTPUT_PATH": "output/",
    "HOLOSCAN_WORKDIR": WORKING_DIRECTORY,
    "HOLOSCAN_MODEL_PATH": MODEL_ROOT,
    "HOLOSCAN_CONFIG_PATH": "/var/holoscan/app.yaml",
    "HOLOSCAN_APP_MANIFEST_PATH": "/etc/holoscan/app.json",
    "HOLOSCAN_PKG_MANIFEST_PATH": "/etc/holoscan/pkg.json",
    "HOLOSCAN_DOCS_PATH": "/opt/holoscan/docs",
    "HOLOSCAN_LOGS_PATH": "/var/holoscan/logs",
}
COMMAND = ("python3", "-m", "app")


def application_manifest(config: dict[str, Any]) -> dict[str, Any]:
    """``app.json``: how the app is called. ``config`` is the content of ``app.yaml``.

    Beside what the packager writes it holds ``type`` and ``format``, which the specification asks for.
    """
    application = config["application"]
    return {
        "apiVersion": "1.0.0",
        "type": "application",
        "command": json.dumps(COMMAND),
        "environment": dict(ENVIRONMENT),
        "input": _data("input/", application["input-formats"]),
        "output": _data("output/", application["output-formats"]),
        "liveness": None,
        "readiness": None,
        "sdk": "monai-deploy",
        "sdkVersion": version(SDK),
        "timeout": 0,
        "version": application["version"],
        "workingDirectory": WORKING_DIRECTORY,
    }


def package_manifest(config: dict[str, Any], models: Path, platform: str) -> dict[str, Any]:
    """``pkg.json``: what the app needs. ``platform`` is ``cpu`` or ``dgpu``."""
    names = sorted(folder.name for folder in models.iterdir() if folder.is_dir())
    return {
        "apiVersion": "1.0.0",
        "applicationRoot": APPLICATION_ROOT,
        "modelRoot": MODEL_ROOT,
        "models": {name: f"{MODEL_ROOT}/{name}" for name in names},
        "resources": config["resources"],
        "version": config["application"]["version"],
        "platformConfig": platform,
    }


def _data(path: str, formats: list[str]) -> dict[str, Any]:
    return {"path": path, "formats": formats, "format": formats[0]}


def main(argv: list[str]) -> int:
    """``manifests.py APP_YAML MODELS cpu|cuda OUT``: write both files into the folder OUT."""
    config_file, models, flavour, out = argv
    config = yaml.safe_load(Path(config_file).read_text(encoding="utf-8"))
    platform = {"cpu": "cpu", "cuda": "dgpu"}[flavour]
    contents = {
        "app.json": application_manifest(config),
        "pkg.json": package_manifest(config, Path(models), platform),
    }
    Path(out).mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        Path(out, name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
