"""What a bundle says about its network: the parts of a MONAI bundle's two JSON files that inference needs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Task = Literal["synthesis", "segmentation", "super_resolution"]
Positive = Annotated[float, Field(gt=0)]
PositiveInt = Annotated[int, Field(gt=0)]


class _Part(BaseModel):
    """A section of our own: a key that nobody reads would be a silent mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _File(BaseModel):
    """A file that other MONAI tools read too: what they need beside is none of our business."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class NetworkDef(BaseModel):
    """A class of ``pulmomap.networks`` and its arguments, as MONAI's ConfigParser writes them."""

    model_config = ConfigDict(extra="allow", frozen=True)

    target: str = Field(alias="_target_", pattern=r"^pulmomap\.networks\.[a-z][a-z0-9_]*\.[A-Z][A-Za-z0-9]*$")

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


class Preprocessing(_Part):
    """How a CT becomes what the network was trained on."""

    orientation: Literal["HPL"] = Field(description="slices to the head, rows to the back, columns to the left")
    spacing_mm: tuple[Positive, Positive, Positive] = Field(description="mm; slices, rows, columns")
    clip_hu: tuple[float, float] = Field(description="HU; what lies outside is clipped")
    scale_hu: Positive = Field(description="HU of one network unit")

    @model_validator(mode="after")
    def _ordered(self) -> Preprocessing:
        if self.clip_hu[0] >= self.clip_hu[1]:
            raise ValueError(f"clip_hu must be (low, high), not {self.clip_hu}")
        return self


class SynthesisInference(_Part):
    """How a volume is predicted from stacks of slices."""

    lung_margin_mm: float = Field(ge=0, description="mm around the lungs that the network sees")
    assembly: Literal["averaged", "centre", "stride3"] = Field(description="how a slice's predictions become one")


class SegmentationInference(_Part):
    """How a volume is predicted from windows."""

    lung_margin_mm: float = Field(ge=0, description="mm around the lungs that the network sees")
    window: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(description="largest window, voxels of the network")
    overlap: float = Field(ge=0, lt=1, description="part of a window shared with the next")
    fixed_window: bool = Field(
        False, description="never a smaller window: the network has norms that were trained on this one"
    )


class SuperResolutionInference(_Part):
    """How thin slices are predicted from thick ones."""

    thick: int = Field(ge=2, description="thick slices that the network sees at a time")
    thin: int = Field(ge=2, description="thin slices that it predicts from them")
    tile: PositiveInt = Field(description="pixels; largest side of a tile within the slice")


class TrainingData(_File):
    """What the weights were trained on."""

    summary: str = Field(min_length=1, description="one sentence for people")


class Metadata(_File):
    """``configs/metadata.json``."""

    name: str = Field(min_length=1)
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    task: Task
    description: str
    data: TrainingData


class SynthesisConfig(_File):
    """``configs/inference.json`` of a contrast synthesiser."""

    network_def: NetworkDef
    preprocessing: Preprocessing
    inference: SynthesisInference


class SegmentationConfig(_File):
    """``configs/inference.json`` of a vessel segmenter."""

    network_def: NetworkDef
    preprocessing: Preprocessing
    inference: SegmentationInference


class SuperResolutionConfig(_File):
    """``configs/inference.json`` of an inter-slice super-resolution."""

    network_def: NetworkDef
    preprocessing: Preprocessing
    inference: SuperResolutionInference
