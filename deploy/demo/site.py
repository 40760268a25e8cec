"""One site on loopback: Orthanc and nginx with OHIF, run with the configuration of ``deploy/``."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from deploy.demo.programs import Program, find_program, free_port, listens
from deploy.demo.templates import fill_folder
from deploy.secrets import PERSON, make_secrets

DEPLOY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Site:
    """Where things are. Everything it writes lies under its folder."""

    folder: Path
    viewer: Path
    web_port: int = field(default_factory=free_port)
    rest_port: int = field(default_factory=free_port)
    dicom_port: int = field(default_factory=free_port)
    pacs_port: int = field(default_factory=free_port)
    health_port: int = field(default_factory=free_port)
    stable_age: int = 3

    @property
    def secrets(self) -> Path:
        """The secrets' folder."""
        return self.folder / "secrets"

    @property
    def pacs(self) -> Path:
        """Where the PACS keeps its files."""
        return self.folder / "pacs"

    @property
    def rest(self) -> str:
        """Orthanc's REST API; the proxy and the gateway use it."""
        return f"http://127.0.0.1:{self.rest_port}"

    @property
    def origin(self) -> str:
        """What people open."""
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def gateway(self) -> tuple[str, str]:
        """User and password of the gateway at Orthanc."""
        return "gateway", (self.secrets / "gateway-password").read_text().strip()

    @property
    def person(self) -> tuple[str, str]:
        """User and password of a person at the origin."""
        return PERSON, (self.secrets / "person-password").read_text().strip()


def prepare(site: Site) -> None:
    """Write secrets and configuration: the files of ``deploy/``, other ports and folders filled in."""
    make_secrets(site.secrets, certificates=False)
    orthanc = site.folder / "orthanc"
    (orthanc / "db").mkdir(parents=True)
    for name in ("orthanc.json", "plugins.json", "modalities.json", "access.py"):
        shutil.copy(DEPLOY / "orthanc" / name, orthanc)
    shutil.copy(site.secrets / "users.json", orthanc)
    (site.folder / "nginx" / "run").mkdir(parents=True)
    fill_folder(DEPLOY / "nginx", site.folder / "nginx", nginx_values(site))
    listen = site.folder / "nginx" / "listen-http.conf"
    listen.rename(listen.with_name("listen.conf"))
    shutil.copy(DEPLOY / "ohif" / "app-config.js", site.folder / "nginx")


def nginx_values(site: Site) -> dict[str, str]:
    """The values for the templates of ``deploy/nginx``."""
    return {
        "PULMOMAP_LISTEN": f"127.0.0.1:{site.web_port}",
        "PULMOMAP_ORTHANC": site.rest,
        "PULMOMAP_OHIF": str(site.viewer),
        "PULMOMAP_CONF": str(site.folder / "nginx"),
        "PULMOMAP_SECRETS": str(site.secrets),
        "PULMOMAP_RUN": str(site.folder / "nginx" / "run"),
        "PULMOMAP_ACCESS_LOG": "/dev/stdout",
    }


def nginx_command(site: Site, *options: str) -> list[str]:
    """The command that runs nginx with the site's configuration."""
    # Without -e, nginx first tries the log file of the system's own server.
    command = [find_program("nginx", "nginx-light"), "-e", "stderr", "-p", str(site.folder)]
    return [*command, *as_ourselves(), "-c", str(site.folder / "nginx" / "nginx.conf"), *options]


def as_ourselves() -> list[str]:
    """Options that keep nginx's workers from becoming "nobody", who may not read the secrets, where root starts it."""
    return ["-g", "user root;"] if os.geteuid() == 0 else []


def orthanc_environment(site: Site) -> dict[str, str]:
    """What ``deploy/orthanc/*.json`` takes from the environment, for loopback."""
    return {
        "ORTHANC_STORAGE": str(site.folder / "orthanc" / "db"),
        "ORTHANC_PYTHON": str(site.folder / "orthanc" / "access.py"),
        "ORTHANC_REMOTE": "false",
        "ORTHANC_HTTP_PORT": str(site.rest_port),
        "ORTHANC_DICOM_PORT": str(site.dicom_port),
        "ORTHANC_STABLE_AGE": str(site.stable_age),
        "PACS_AET": "PACS",
        "PACS_HOST": "127.0.0.1",
        "PACS_PORT": str(site.pacs_port),
    }


def write_gateway_settings(site: Site) -> Path:
    """Write the gateway's settings for this site and return the file. The password stays in its own file."""
    settings = {
        "orthanc": {"url": site.rest, "username": "gateway", "password_file": str(site.secrets / "gateway-password")},
        "work": {"folder": str(site.folder / "work")},
        "targets": [{"name": "pacs"}],
        "health": {"port": site.health_port},
    }
    path = site.folder / "gateway.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


@contextlib.contextmanager
def running(site: Site, environment: Mapping[str, str] | None = None) -> Iterator[Site]:
    """Start Orthanc and nginx, stop both at the end.

    Args:
        site: as prepared.
        environment: for Orthanc's configuration, over what the site says.

    Raises:
        ProgramError: one of them is missing or does not start.
    """
    orthanc = [find_program("Orthanc", "orthanc"), str(site.folder / "orthanc")]
    settings = {**orthanc_environment(site), **(environment or {})}
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(Program("orthanc", orthanc, site.folder, settings))
        first.wait_until(lambda: listens(site.rest_port) and listens(site.dicom_port), "answer", 30)
        second = stack.enter_context(Program("nginx", nginx_command(site), site.folder, {}))
        second.wait_until(lambda: listens(site.web_port), "answer", 30)
        yield site
