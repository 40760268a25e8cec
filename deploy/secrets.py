"""Make the secrets of one installation: ``python -m deploy.secrets FOLDER [--host NAME]``.

Passwords are random. Each file has one reader, and is readable by its owner only. The certificates are self-signed,
enough for a trial; a hospital puts its own in their place, under the same names.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

PERSON = "radiologist"


class SecretsError(RuntimeError):
    """The secrets cannot be made: one sentence says why and what to do."""


def make_secrets(folder: Path, host: str = "localhost", certificates: bool = True) -> None:
    """Fill a new folder.

    - ``users.json``: Orthanc's REST users ``gateway`` and ``viewer``
    - ``gateway-password``: the gateway's, one line
    - ``orthanc-viewer.conf``: the header by which nginx is Orthanc's user ``viewer``
    - ``users.htpasswd`` and ``person-password``: who may look, and the first person's password, to be handed over
    - ``postgres-password`` and ``postgresql.json``: the database's, for itself and for Orthanc
    - ``https.crt``, ``https.key``: the origin's certificate
    - ``dicom.crt``, ``dicom.key``, ``dicom-peers.crt``: Orthanc's for DICOM over TLS, and those it trusts

    Raises:
        SecretsError: the folder exists (nothing is overwritten), or openssl is missing.
    """
    if folder.exists() and any(folder.iterdir()):
        raise SecretsError(f"{folder} is not empty; secrets are never overwritten: name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    gateway, viewer, person, database = (secrets.token_urlsafe(24) for _ in range(4))
    header = base64.b64encode(f"viewer:{viewer}".encode()).decode()
    _write(folder / "users.json", json.dumps({"RegisteredUsers": {"gateway": gateway, "viewer": viewer}}, indent=2))
    _write(folder / "gateway-password", gateway)
    _write(folder / "orthanc-viewer.conf", f'proxy_set_header Authorization "Basic {header}";')
    _write(folder / "person-password", person)
    _write(folder / "users.htpasswd", f"{PERSON}:{_openssl('passwd', '-6', '-stdin', given=person)}")
    _write(folder / "postgres-password", database)
    _write(folder / "postgresql.json", json.dumps({"PostgreSQL": postgresql_settings(database)}, indent=2))
    if certificates:
        _certificate(folder / "https", host)
        _certificate(folder / "dicom", host)
        _write(folder / "dicom-peers.crt", (folder / "dicom.crt").read_text())


def postgresql_settings(password: str) -> dict[str, object]:
    """Orthanc's settings for the index in PostgreSQL, as compose names its service."""
    return {
        "EnableIndex": True,
        "EnableStorage": False,
        "Host": "postgres",
        "Port": 5432,
        "Database": "orthanc",
        "Username": "orthanc",
        "Password": password,
        # one Orthanc owns the index; another that is started by mistake stops at once
        "Lock": True,
    }


def _certificate(stem: Path, host: str) -> None:
    key = Path(f"{stem}.key")
    _write(key, "")  # openssl keeps the permissions of a file that is there
    options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "365"]
    subject = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"]
    _openssl("req", *options, *subject, "-keyout", str(key), "-out", f"{stem}.crt")


def _openssl(*arguments: str, given: str = "") -> str:
    try:
        done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise SecretsError("openssl is not installed; install it (Debian and Ubuntu: the package openssl)") from None
    except subprocess.CalledProcessError as error:
        raise SecretsError(f"openssl {arguments[0]} failed: {error.stderr.strip()}") from None
    return done.stdout.strip()


def _write(path: Path, content: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content + "\n")


def main() -> int:
    """Make the secrets and say who may look."""
    parser = argparse.ArgumentParser(prog="python -m deploy.secrets", description="Make an installation's secrets.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--host", default="localhost", help="name in the certificates (default %(default)s)")
    options = parser.parse_args()
    try:
        make_secrets(options.folder, options.host)
    except SecretsError as error:
        print(f"pulmomap: {error}", file=sys.stderr)
        return 2
    print(f"{options.folder}: sign in as {PERSON} with the password in person-password")
    return 0


if __name__ == "__main__":
    sys.exit(main())
