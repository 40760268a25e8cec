"""The sections of the gateway's settings: every key with its default, unit and reason."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from typing_extensions import Self

ROOT = Path(__file__).resolve().parent.parent


class Section(BaseModel):
    """A part of the settings: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OrthancSettings(Section):
    """Where Orthanc is and who the gateway is there."""

    url: str = Field("http://127.0.0.1:8042", pattern=r"^https?://[^@]+$", description="REST API, without credentials")
    username: str = Field("", description="empty: no authentication")
    password: SecretStr = Field(SecretStr(""), description="by the environment only; or password_file")
    password_file: Path | None = Field(None, description="a file whose first line is the password")
    ca_file: Path | None = Field(None, description="certificate authority of an https url")
    timeout_s: float = Field(60, gt=0, description="of one request")
    patience_s: float = Field(300, ge=0, description="how long a job waits for an Orthanc that is away")
    metadata: int = Field(5200, ge=1024, le=65535, description="number of the series metadata that holds the job")


class AppSettings(Section):
    """The program that turns a folder of DICOM into results."""

    command: tuple[str, ...] = Field(
        ("{python}", "-m", "app", "-i", "{input}", "-o", "{output}", "-m", "{models}", "-c", "{config}"),
        min_length=1,
        description="{python}, {input}, {output}, {models} and {config} are filled in",
    )
    models: Path = Field(ROOT / "models", description="folder with the model bundles")
    config: Path = Field(ROOT / "app.yaml", description="the app's settings; its selection rules hold here too")
    timeout_s: float = Field(3600, gt=0, description="longest run on one series")
    stop_grace_s: float = Field(20, ge=0, description="how long a stopping worker lets the app finish")


class WorkSettings(Section):
    """Where series lie while they are processed."""

    folder: Path = Field(Path(tempfile.gettempdir()) / "pulmomap-gateway", description="may be emptied at any time")
    space_factor: float = Field(4.0, ge=1, description="free disk needed, as a multiple of the series' size")
    reserve_mib: int = Field(1024, ge=0, description="free disk that must remain beyond that, MiB")


class LimitSettings(Section):
    """More than this is refused before anything is pulled."""

    instances: int = Field(4000, ge=1, description="files of a series")
    pixels_mib: int = Field(4096, ge=1, description="declared size of all pixels once decompressed, MiB")
    files_mib: int = Field(4096, ge=1, description="files of a series on disk, MiB")
    tags_mib: int = Field(256, ge=1, description="Orthanc's answer about a series' tags, MiB")
    companions: int = Field(50, ge=0, description="SEG, RTSTRUCT and SR files of the study that are pulled along")
    companions_mib: int = Field(512, ge=0, description="their size together, MiB")


class LeaseSettings(Section):
    """How long a claim holds without a sign of life."""

    seconds: float = Field(120, gt=0, description="a claim unchanged for so long may be taken over")
    heartbeat_s: float = Field(20, gt=0, description="how often a living worker renews its claim")

    @model_validator(mode="after")
    def _beats_in_time(self) -> Self:
        if self.heartbeat_s * 3 > self.seconds:
            raise ValueError("heartbeat_s must be at most a third of seconds, or one late beat loses the claim")
        return self


class RetrySettings(Section):
    """Bounded retries with exponential back-off."""

    attempts: int = Field(ge=1, description="then the job goes to the dead letters")
    first_s: float = Field(ge=0, description="delay after the first failure")
    factor: float = Field(2.0, ge=1, description="growth from one delay to the next")
    longest_s: float = Field(ge=0, description="delay that is never exceeded")


class DiscoverySettings(Section):
    """How series are found."""

    poll_s: float = Field(1.0, gt=0, description="between two looks at Orthanc's changes")
    sweep_s: float = Field(60, gt=0, description="between two looks at every series that is not settled")
    full_sweep_s: float = Field(3600, gt=0, description="between two looks at every series")


class TargetSettings(Section):
    """A DICOM node that gets the results, by its name in Orthanc's DicomModalities."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    modalities: frozenset[Literal["CT", "SEG", "SR"]] = Field(frozenset({"CT", "SEG", "SR"}), min_length=1)
    commitment: bool = Field(False, description="ask for storage commitment and wait for it")
    commitment_timeout_s: float = Field(600, gt=0)


class HealthSettings(Section):
    """Health and metrics over HTTP."""

    address: str = Field("127.0.0.1", description="loopback unless told otherwise: there is no authentication")
    port: int | None = Field(9108, ge=1, le=65535, description="null: no endpoint")


class LoggingSettings(Section):
    """What is said while running."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
