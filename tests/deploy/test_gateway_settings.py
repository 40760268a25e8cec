"""deploy/gateway.yaml and what the demonstration writes, by the gateway's own model of its settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.demo.site import Site, write_gateway_settings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
settings = pytest.importorskip("gateway.settings", reason="the gateway is not part of this installation")


def test_deployed_settings_are_known_to_the_gateway() -> None:
    loaded = settings.load_settings(DEPLOY / "gateway.yaml")
    assert loaded.orthanc.username == "gateway"
    assert str(loaded.orthanc.password_file) == "/run/secrets/gateway-password"
    assert [target.name for target in loaded.targets] == ["pacs"]
    assert f'"{loaded.targets[0].name}": {{' in (DEPLOY / "orthanc" / "modalities.json").read_text()


def test_the_demonstrations_settings_are_known_to_the_gateway(tmp_path: Path) -> None:
    site = Site(tmp_path, tmp_path)
    loaded = settings.load_settings(write_gateway_settings(site))
    assert loaded.orthanc.url == site.rest
    assert loaded.work.folder == tmp_path / "work"
