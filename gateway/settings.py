"""Every setting of the gateway: a YAML file, overridden by the environment (``GATEWAY_``, ``__`` between levels)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.sections import (
    AppSettings,
    DiscoverySettings,
    HealthSettings,
    LeaseSettings,
    LimitSettings,
    LoggingSettings,
    OrthancSettings,
    RetrySettings,
    TargetSettings,
    WorkSettings,
)
from pulmomap.dicom.rules import SelectionRules

PREFIX = "GATEWAY_"


class SettingsError(ValueError):
    """The settings are wrong: one line says where and what."""


class Settings(BaseSettings):
    """All settings of the gateway."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="__", case_sensitive=False
    )

    orthanc: OrthancSettings = OrthancSettings()
    app: AppSettings = AppSettings()
    work: WorkSettings = WorkSettings()
    limits: LimitSettings = LimitSettings()
    lease: LeaseSettings = LeaseSettings()
    processing: RetrySettings = RetrySettings(attempts=4, first_s=30, longest_s=900)
    forwarding: RetrySettings = RetrySettings(attempts=100, first_s=30, longest_s=900)
    discovery: DiscoverySettings = DiscoverySettings()
    targets: tuple[TargetSettings, ...] = ()
    health: HealthSettings = HealthSettings()
    logging: LoggingSettings = LoggingSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file."""
        return env_settings, init_settings


def load_settings(path: Path | None) -> Settings:
    """Read the settings file, if one is given, and the environment.

    Raises:
        SettingsError: one line with the place and the reason.
    """
    place = f"settings {path or '(none)'} or {PREFIX}* environment"
    content = _read_yaml(path) if path else {}
    if isinstance(content.get("orthanc"), dict) and "password" in content["orthanc"]:
        raise SettingsError(f"settings {path}: orthanc.password does not belong in a file; use password_file")
    try:
        return Settings(**content)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise SettingsError(f"{place}: {'.'.join(map(str, first['loc']))}: {first['msg']}{more}") from None
    except Exception as error:  # pydantic-settings raises its own type for an environment value that is no JSON
        raise SettingsError(f"{place}: {' '.join(str(error).split())}") from None


def selection_rules(settings: AppSettings) -> SelectionRules:
    """The app's own selection rules, so that the gateway pulls exactly what the app would take.

    Raises:
        SettingsError: one line with the place and the reason.
    """
    try:
        return SelectionRules(**(_read_yaml(settings.config).get("selection") or {}))
    except (ValidationError, TypeError) as error:
        sentence = " ".join(str(error).split())[:200]
        raise SettingsError(f"settings {settings.config}: selection: {sentence}") from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise SettingsError(f"settings {path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"settings {path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"settings {path}: the top level must be sections, not {type(content).__name__}")
    return content
