"""Every setting of the app, typed. ``app.yaml`` holds them all; the environment overrides any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from pulmomap.dicom.nodules import GivenNodule
from pulmomap.dicom.selection import SelectionRules
from pulmomap.imaging.content import ContentRules
from pulmomap.inference.segmentation import SegmentationSettings
from pulmomap.inference.synthesis import SynthesisSettings
from pulmomap.metrics.perinodular import PerinodularSettings

PREFIX = "PULMOMAP_"
DEFAULT_FILE = Path(__file__).resolve().parent.parent / "app.yaml"


class SettingsError(ValueError):
    """The settings are wrong: one line says where and what."""


class Section(BaseModel):
    """A part of the settings: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RuntimeSettings(Section):
    """How the networks run."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto takes CUDA where there is one")
    precision: Literal["auto", "f32", "bf16"] = Field("auto", description="auto lets the hardware pick")
    threads: int = Field(0, ge=0, description="CPU threads of a network; 0 takes all cores")
    workers: int = Field(2, ge=1, le=16, description="stages that may run at the same time")


class OutputSettings(Section):
    """What is written."""

    seg_layout: Literal["BINARY", "LABELMAP"] = Field("BINARY", description="BINARY is what viewers show today")


class LoggingSettings(Section):
    """What is said while running."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class Settings(BaseSettings):
    """All settings. ``application`` and ``resources`` belong to the MAP packager and are passed through."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="__", case_sensitive=False
    )

    application: dict[str, Any] = Field(default_factory=dict)
    resources: dict[str, Any] = Field(default_factory=dict)
    selection: SelectionRules = SelectionRules()
    content: ContentRules = ContentRules()
    nodules: tuple[GivenNodule, ...] = ()
    synthesis: SynthesisSettings = SynthesisSettings()
    segmentation: SegmentationSettings = SegmentationSettings()
    perinodular: PerinodularSettings = PerinodularSettings()
    outputs: OutputSettings = OutputSettings()
    runtime: RuntimeSettings = RuntimeSettings()
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
    """Read the settings file and the environment.

    Args:
        path: a YAML file; None takes the ``app.yaml`` that ships with the app.

    Raises:
        SettingsError: one line with the place and the reason.
    """
    path = path or DEFAULT_FILE
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise SettingsError(f"settings {path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"settings {path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"settings {path}: the top level must be sections, not {type(content).__name__}")
    try:
        return Settings(**content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise SettingsError(f"settings {path} or {PREFIX}* environment: {place}: {first['msg']}{more}") from None
    except Exception as error:  # pydantic-settings raises its own type for an environment value that is no JSON
        raise SettingsError(f"settings {path} or {PREFIX}* environment: {' '.join(str(error).split())}") from None
