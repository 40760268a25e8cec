"""TLS with the configuration of deploy/: HTTPS as the container's entry point sets it up, DICOM with certificates."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from deploy_site import program
from dicom_factory import ct_series

from deploy.demo.programs import Program, free_port, listens
from deploy.demo.site import DEPLOY, Site, as_ourselves, orthanc_environment, prepare
from deploy.secrets import make_secrets


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    make_secrets(tmp_path / "tls", "localhost")
    return tmp_path / "tls"


@pytest.fixture
def https(secrets: Path, tmp_path: Path) -> Iterator[int]:
    """nginx by its entry point, as in the container."""
    for name, package in (("nginx", "nginx-light"), ("envsubst", "gettext-base")):
        program(name, package)
    (tmp_path / "ohif").mkdir()
    (tmp_path / "ohif" / "index.html").write_text("viewer")
    port = free_port()
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/bin",
        "PULMOMAP_LISTEN": f"127.0.0.1:{port}",
        "PULMOMAP_ORTHANC": f"http://127.0.0.1:{free_port()}",
        "PULMOMAP_OHIF": str(tmp_path / "ohif"),
        "PULMOMAP_SECRETS": str(secrets),
        "PULMOMAP_RUN": str(tmp_path / "run"),
        "PULMOMAP_APP_CONFIG": str(DEPLOY / "ohif" / "app-config.js"),
    }
    command = [str(DEPLOY / "nginx" / "entrypoint.sh"), *as_ourselves()]
    with Program("nginx", command, tmp_path, environment) as nginx:
        nginx.wait_until(lambda: listens(port), "answer", 30)
        yield port


def test_https_is_modern_and_still_asks_for_a_password(https: int, secrets: Path) -> None:
    address = f"https://localhost:{https}/"
    trust = ssl.create_default_context(cafile=str(secrets / "https.crt"))
    assert httpx.get(address, verify=trust).status_code == 401
    person = ("radiologist", (secrets / "person-password").read_text().strip())
    shown = httpx.get(address, verify=trust, auth=person)
    assert (shown.status_code, shown.text) == (200, "viewer")
    assert "Content-Security-Policy" in shown.headers
    assert shown.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert httpx.get(f"http://localhost:{https}/").status_code == 400


def test_old_tls_is_refused(https: int, secrets: Path) -> None:
    openssl = [program("openssl", "openssl"), "s_client", "-connect", f"localhost:{https}", "-tls1_1"]
    done = subprocess.run(
        [*openssl, "-cipher", "ALL@SECLEVEL=0"], input="", capture_output=True, text=True, check=False
    )
    assert done.returncode != 0


def test_dicom_takes_known_certificates_only(secrets: Path, tmp_path: Path) -> None:
    """Two PACS with the same title: one has a certificate that Orthanc trusts, the other has one of its own making."""
    orthanc = program("Orthanc", "orthanc")
    storescu = program("storescu", "dcmtk", "/usr/bin/storescu")
    make_secrets(tmp_path / "stranger", "localhost")
    make_secrets(tmp_path / "pacs", "localhost")
    (secrets / "dicom-peers.crt").write_text((tmp_path / "pacs" / "dicom.crt").read_text())
    site = Site(tmp_path / "site", tmp_path)
    (tmp_path / "site").mkdir()
    prepare(site)
    shutil.copy(DEPLOY / "orthanc" / "tls.json", site.folder / "orthanc")
    (image,) = ct_series(tmp_path / "ct", shape=(1, 8, 8))

    def send(own: Path, *options: str) -> int:
        tls = ["+tls", str(own / "dicom.key"), str(own / "dicom.crt"), "+cf", str(secrets / "dicom.crt")]
        address = ["-aet", "PACS", "-aec", "PULMOMAP", "127.0.0.1", str(site.dicom_port), str(image)]
        command = [storescu, *(options or tls), *address]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).returncode

    environment = {**orthanc_environment(site), "ORTHANC_TLS": str(secrets)}
    with Program("orthanc", [orthanc, str(site.folder / "orthanc")], tmp_path, environment) as running:
        running.wait_until(lambda: listens(site.rest_port) and listens(site.dicom_port), "answer", 30)
        assert send(tmp_path / "pacs") == 0
        assert send(tmp_path / "stranger") != 0
        assert send(tmp_path / "pacs", "-R") != 0
        count = httpx.get(f"{site.rest}/statistics", auth=site.gateway).json()["CountInstances"]
    assert count == 1
