"""deploy/compose.yaml: the Compose specification's own schema, and what our security page promises of every service."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from deploy.secrets import make_secrets

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
TEXT = (DEPLOY / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)


def schema() -> dict[str, Any]:
    """The schema that check-jsonschema carries: https://github.com/compose-spec/compose-spec, Apache-2.0."""
    found = importlib.util.find_spec("check_jsonschema")
    assert found is not None
    assert found.origin is not None
    path = Path(found.origin).parent / "builtin_schemas" / "vendor" / "compose-spec.json"
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_it_follows_the_compose_specification() -> None:
    jsonschema.validate(COMPOSE, schema())


def test_the_schema_finds_a_mistake() -> None:
    wrong = yaml.safe_load(TEXT)
    wrong["services"]["orthanc"]["cap_dorp"] = ["ALL"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema())


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_service_is_locked(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].startswith("${PULMOMAP_UID:?")
    assert service["user"].endswith("}:65534")
    assert service["healthcheck"]["test"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & set(service)


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_temporary_folders_are_in_the_images(name: str) -> None:
    """With Docker 20.10, one that is not belongs to root as soon as the container starts for the second time."""
    folders = {one.partition(":")[0] for one in COMPOSE["services"][name]["tmpfs"]}
    assert folders <= {"/tmp", "/run/postgresql", "/run/pulmomap"}  # noqa: S108
    assert ("/run/pulmomap" in folders) is (name == "web")
    assert "install -d -m 1777 /run/pulmomap" in (DEPLOY / "nginx" / "Dockerfile").read_text()


def test_only_dicom_and_https_are_open() -> None:
    published = {name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service}
    assert published == {
        "orthanc": ["${PULMOMAP_DICOM_PORT:-11112}:11112"],
        "web": ["${PULMOMAP_HTTPS_PORT:-8443}:8443"],
    }
    inside = {name for name, network in COMPOSE["networks"].items() if network.get("internal")}
    assert set(COMPOSE["services"]["gateway"]["networks"]) <= inside
    assert set(COMPOSE["services"]["postgres"]["networks"]) <= inside
    assert "data" not in COMPOSE["services"]["web"]["networks"]


def test_secrets_are_files_that_the_command_makes(tmp_path: Path) -> None:
    make_secrets(tmp_path / "secrets")
    made = {path.name for path in (tmp_path / "secrets").iterdir()}
    for secret in COMPOSE["secrets"].values():
        assert Path(secret["file"]).name in made
    written = {name for service in COMPOSE["services"].values() for name in service.get("environment", {})}
    assert {name for name in written if "PASSWORD" in name} == {"POSTGRES_PASSWORD_FILE"}


def test_commands_of_the_page_fit(tmp_path: Path) -> None:
    """The compose block of docs/deployment.md: its files, profile, service and images are those of the file, every
    variable that compose insists on is exported, and the secrets' command is run."""
    page = (DEPLOY.parent / "docs" / "deployment.md").read_text()
    (block,) = re.findall(r"```console\n(.*?)```", page, flags=re.DOTALL)
    lines = [shlex.split(line.removeprefix("$ ")) for line in block.splitlines()]
    insisted = set(re.findall(r"\$\{(\w+):\?", TEXT))
    exported = {word.partition("=")[0] for words in lines if words[0] == "export" for word in words if "=" in word}
    assert insisted == exported - {"PACS_PORT"}
    up = next(words for words in lines if "up" in words)
    assert any(up[up.index("--profile") + 1] in one.get("profiles", []) for one in COMPOSE["services"].values())
    assert up[up.index("--scale") + 1].partition("=")[0] in COMPOSE["services"]
    built = {words[words.index("-t") + 1] for words in lines if words[:2] == ["docker", "build"]}
    assert ["make", "image"] in lines
    assert built == {one["image"] for one in COMPOSE["services"].values() if "build" in one}
    for words in lines:
        for name in [words[place + 1] for place, word in enumerate(words) if word == "-f"]:
            assert (DEPLOY.parent / name).is_file()
    secrets = next(words for words in lines if words[0] == "python")
    command = [sys.executable, *secrets[1:3], str(tmp_path / "secrets.d"), *secrets[4:]]
    subprocess.run(command, cwd=DEPLOY.parent, check=True, capture_output=True)
    assert (tmp_path / "secrets.d" / "person-password").is_file()


def test_files_it_mounts_exist_and_names_resolve() -> None:
    for config in COMPOSE["configs"].values():
        assert (DEPLOY / config["file"]).is_file()
    for service in COMPOSE["services"].values():
        for kind in ("configs", "secrets"):
            for one in service.get(kind, []):
                assert (one if isinstance(one, str) else one["source"]) in COMPOSE[kind]
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in COMPOSE["volumes"]
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        assert set(service.get("depends_on", {})) <= set(COMPOSE["services"])
