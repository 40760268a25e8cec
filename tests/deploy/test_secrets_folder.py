"""The secrets of an installation: private, random, never overwritten, and right for the programs that read them."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.demo.templates import fill
from deploy.secrets import SecretsError, make_secrets

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("installation") / "secrets"
    make_secrets(made, "pacs.example.org")
    return made


def test_nobody_else_reads_them(folder: Path) -> None:
    assert folder.stat().st_mode & 0o077 == 0
    for path in folder.iterdir():
        if path.suffix != ".crt":
            assert path.stat().st_mode & 0o777 == 0o600, path.name


def test_programs_share_what_they_must(folder: Path) -> None:
    users = json.loads((folder / "users.json").read_text())["RegisteredUsers"]
    assert users["gateway"] == (folder / "gateway-password").read_text().strip()
    (header,) = re.findall(r'Basic (\S+)";', (folder / "orthanc-viewer.conf").read_text())
    assert base64.b64decode(header).decode() == f"viewer:{users['viewer']}"
    index = json.loads((folder / "postgresql.json").read_text())["PostgreSQL"]
    assert index["Password"] == (folder / "postgres-password").read_text().strip()
    person = (folder / "person-password").read_text().strip()
    assert len({users["gateway"], users["viewer"], index["Password"], person}) == 4
    name, _, crypted = (folder / "users.htpasswd").read_text().strip().partition(":")
    assert name == "radiologist"
    _, kind, salt, _ = crypted.split("$")
    command = ["openssl", "passwd", f"-{kind}", "-salt", salt, "-stdin"]
    again = subprocess.run(command, input=person, capture_output=True, text=True, check=True)
    assert again.stdout.strip() == crypted


def test_certificates_name_the_host(folder: Path) -> None:
    for name in ("https", "dicom"):
        command = ["openssl", "x509", "-noout", "-checkhost", "pacs.example.org", "-in", str(folder / f"{name}.crt")]
        assert "does match" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_they_are_never_overwritten(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(SecretsError, match="never overwritten"):
        make_secrets(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_command_prints_no_secret(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.secrets", str(tmp_path / "made")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "radiologist" in done.stdout
    for name in ("person-password", "gateway-password", "postgres-password"):
        assert (tmp_path / "made" / name).read_text().strip() not in done.stdout + done.stderr


def test_a_template_without_a_value_is_an_error() -> None:
    assert fill("$uri ${before} ${PULMOMAP_A}", {"PULMOMAP_A": "x"}) == "$uri ${before} x"
    with pytest.raises(KeyError, match="PULMOMAP_B"):
        fill("${PULMOMAP_B}", {"PULMOMAP_A": "x"})
