"""How far the geometry of a series may be from an ideal grid."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class GeometryTolerances(BaseModel):
    """How far a header may be from an ideal grid. Each limit lies well above rounding and well below a voxel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    orientation_degrees: float = Field(
        0.1, gt=0, description="largest angle between the orientations of two slices, degrees; cosines rounded to 3 "
        "decimals differ by 0.04"
    )  # fmt: skip
    cosines: float = Field(
        1e-3, gt=0, description="how far the two direction cosine vectors may be from unit length and a right angle"
    )  # fmt: skip
    pixel_spacing_fraction: float = Field(
        1e-4, gt=0, description="largest relative difference of pixel spacing; 1e-4 is 0.05 mm over 512 pixels of 1 mm"
    )  # fmt: skip
    duplicate_mm: float = Field(0.01, gt=0, description="slices nearer than this lie at one position, mm")
    tilt_degrees: float = Field(
        0.1, gt=0, description="largest angle between slice normal and stack, degrees; 0.1 shifts the far end of a "
        "300 mm scan by 0.5 mm"
    )  # fmt: skip
    sideways_mm: float = Field(
        0.1, gt=0, description="how far a slice may lie beside the straight stack, mm; positions rounded to 0.1 mm lie "
        "0.05 beside"
    )  # fmt: skip
    spacing_fraction: float = Field(
        0.1, gt=0, lt=0.5, description="how far a slice may lie from its place on the regular grid, as a fraction of "
        "the spacing; positions rounded to 0.1 mm lie 0.08 off at 0.625 mm"
    )  # fmt: skip


DEFAULT_TOLERANCES = GeometryTolerances()
