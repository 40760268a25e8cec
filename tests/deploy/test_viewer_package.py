"""The viewer's package: only the pinned one is used, and only its own files are unpacked."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from deploy.ohif import fetch
from deploy.ohif.fetch import PIN, ViewerError, fetch_viewer


def package(path: Path, members: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


def pinned(path: Path, archive: Path) -> Path:
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    path.write_text(json.dumps({"package": "made@1.0.0", "integrity": f"sha512-{digest}"}))
    return path


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package in place of npm's."""
    made = package(tmp_path / "made.tgz", {"package/dist/index.html": "viewer", "package/readme": "x"})
    monkeypatch.setattr(fetch, "_pack", lambda name, folder: made)
    return made


def test_the_pinned_package_is_unpacked_once(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin = pinned(tmp_path / "pin.json", archive)
    viewer = fetch_viewer(tmp_path / "cache", pin)
    assert [path.name for path in viewer.iterdir()] == ["index.html"]
    monkeypatch.setattr(fetch, "_pack", lambda name, folder: pytest.fail("it is there already"))
    assert fetch_viewer(tmp_path / "cache", pin) == viewer
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [viewer.name]


def test_another_package_is_refused(archive: Path, tmp_path: Path) -> None:
    pin = pinned(tmp_path / "pin.json", archive)
    archive.write_bytes(archive.read_bytes() + b"\0")
    with pytest.raises(ViewerError, match="not the pinned"):
        fetch_viewer(tmp_path / "cache", pin)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_path_out_of_the_folder_is_refused(archive: Path, tmp_path: Path) -> None:
    package(archive, {"package/dist/index.html": "viewer", "../../evil": "x"})
    with pytest.raises(tarfile.OutsideDestinationError):
        fetch_viewer(tmp_path / "cache", pinned(tmp_path / "pin.json", archive))
    assert not (tmp_path / "evil").exists()


def test_a_package_without_a_viewer_is_refused(archive: Path, tmp_path: Path) -> None:
    package(archive, {"package/readme": "x"})
    with pytest.raises(ViewerError, match=r"holds no dist/index.html"):
        fetch_viewer(tmp_path / "cache", pinned(tmp_path / "pin.json", archive))


def test_without_npm_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ViewerError, match="install it"):
        fetch_viewer(tmp_path / "cache")


def test_the_pin_is_exact() -> None:
    pin = json.loads(PIN.read_text())
    assert pin["package"].count("@") == 2
    assert len(base64.b64decode(pin["integrity"].removeprefix("sha512-"), validate=True)) == 64
