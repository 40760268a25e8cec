"""The settings of series selection."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from pulmomap.dicom.kernels import KernelClass
from pulmomap.dicom.tolerances import GeometryTolerances

_DERIVED_TYPES = frozenset({
    "SECONDARY", "REFORMATTED", "MPR", "AVERAGE", "MIP", "MINIP", "MAX_IP", "MIN_IP", "MAXIMUM",
    "MINIMUM", "MEAN", "STD_DEVIATION", "SUBTRACTION", "PROJECTION", "PERFUSION", "VRT", "SSD", "3D",
    "SCREEN", "VNC", "IODINE", "MATERIAL", "MONOENERGETIC"
})  # fmt: skip
_OTHER_BODY_PARTS = frozenset({
    "HEAD", "BRAIN", "SKULL", "ORBIT", "SINUS", "IAC", "NECK", "CSPINE", "LSPINE", "SSPINE", "PELVIS",
    "HIP", "KNEE", "ANKLE", "FOOT", "LEG", "THIGH", "HAND", "WRIST", "ELBOW", "ARM", "EXTREMITY", "JAW",
    "MAXILLA", "MANDIBLE", "TOOTH", "COLON", "PROSTATE", "BLADDER", "UTERUS"
})  # fmt: skip


class SelectionRules(BaseModel):
    """Which CT series are processed. Modality CT and photometric MONOCHROME2 are not open to choice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep: Literal["preferred", "all"] = Field(
        "preferred",
        description="of several reconstructions of one scan: process the one that suits the networks best, or all",
    )
    excluded_image_types: frozenset[str] = Field(
        _DERIVED_TYPES,
        description="a series is derived if a value of Image Type is, or contains as a word, one of these",
    )
    axial_degrees: float = Field(
        20.0, gt=0, lt=90, description="largest angle between the slice normal and the patient's long axis, degrees"
    )
    min_slices: int = Field(
        30, ge=2, description="fewest slices of a chest volume (30 slices 5 mm apart cover 150 mm, less than any lung)"
    )
    flag_spacing_mm: float = Field(
        2.5, gt=0, description="slices thicker or farther apart than this are processed with the flag THICK_SLICES, mm"
    )
    max_spacing_mm: float = Field(
        5.5, gt=0, description="slices thicker or farther apart than this are refused as THICK_SLICES, mm"
    )
    preferred_spacing_mm: float = Field(
        1.0, gt=0, description="the spacing the networks were made for, mm; the nearest reconstruction is preferred"
    )
    kernel_order: tuple[KernelClass, ...] = Field(
        (KernelClass.SOFT, KernelClass.STANDARD, KernelClass.UNKNOWN, KernelClass.SHARP),
        description="classes of reconstruction kernel, the preferred first",
    )
    refuse_contrast_tags: bool = Field(
        True, description="refuse a series whose tags speak of intravenous contrast; its blood's HU is measured later"
    )
    other_body_parts: frozenset[str] = Field(
        _OTHER_BODY_PARTS,
        description="values of Body Part Examined that exclude a chest; all others are left to the pixels",
    )
    geometry: GeometryTolerances = Field(
        GeometryTolerances(), description="how far a series may be from a regular grid"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.flag_spacing_mm > self.max_spacing_mm:
            raise ValueError("flag_spacing_mm must not be larger than max_spacing_mm")
        if set(self.kernel_order) != set(KernelClass) or len(self.kernel_order) != len(KernelClass):
            raise ValueError(f"kernel_order must name each of {', '.join(one.value for one in KernelClass)} once")
        return self
