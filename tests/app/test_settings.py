"""Settings: all in app.yaml, typed, overridable, wrong ones named in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from app.settings import DEFAULT_FILE, Settings, SettingsError, load_settings

PASSED_THROUGH = {"application", "resources"}


def keys_of(model: type[BaseModel], content: dict[str, object], place: str = "") -> list[str]:
    """Settings that the file does not name, and names that are no settings."""
    wrong = [f"{place}{key} is not in the file" for key in model.model_fields if key not in content]
    wrong += [f"{place}{key} is no setting" for key in content if key not in model.model_fields]
    for key, field in model.model_fields.items():
        kind = field.annotation
        value = content.get(key)
        if isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(value, dict):
            wrong += keys_of(kind, value, f"{place}{key}.")
    return wrong


def test_shipped_file_holds_every_setting_with_its_default() -> None:
    content = yaml.safe_load(DEFAULT_FILE.read_text())
    assert keys_of(Settings, content) == []  # type: ignore[arg-type]
    shipped, default = load_settings(None).model_dump(), Settings().model_dump()
    for section in set(shipped) - PASSED_THROUGH:
        assert shipped[section] == default[section], section


def test_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULMOMAP_OUTPUTS__SEG_LAYOUT", "LABELMAP")
    monkeypatch.setenv("PULMOMAP_RUNTIME__THREADS", "3")
    settings = load_settings(None)
    assert settings.outputs.seg_layout == "LABELMAP"
    assert settings.runtime.threads == 3


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("runtime: {thread: 2}", "runtime.thread"),
        ("runtime: {threads: many}", "runtime.threads"),
        ("runtime: {workers: 0}", "runtime.workers"),
        ("outputs: {seg_layout: FRACTIONAL}", "outputs.seg_layout"),
        ("nonsense: 1", "nonsense"),
        ("[1, 2]", "top level"),
        ("a: [", "not valid YAML"),
    ],
)
def test_wrong_settings_are_one_line_that_names_the_place(tmp_path: Path, text: str, place: str) -> None:
    path = tmp_path / "app.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as error:
        load_settings(path)
    assert place in str(error.value)
    assert "\n" not in str(error.value)


def test_wrong_environment_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULMOMAP_RUNTIME__WORKERS", "none")
    with pytest.raises(SettingsError, match=r"runtime\.workers"):
        load_settings(None)
    monkeypatch.setenv("PULMOMAP_SELECTION", "{not json")
    with pytest.raises(SettingsError):
        load_settings(None)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere"):
        load_settings(tmp_path / "nowhere.yaml")
