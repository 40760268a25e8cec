"""The named reasons for which an input is refused or flagged.

Every name here has one row in ``docs/refusals.md``; a test keeps the two together. Names are stable: integrators
match on them in ``manifest.json``.
"""

from __future__ import annotations

from enum import Enum


class Refusal(str, Enum):
    """Why a series is not processed. The value is the sentence's stem: what is wrong and what to do."""

    UNREADABLE = "the file or its pixels cannot be read; send the original again"
    NOT_CT = "the modality is not CT"
    LOCALIZER = "the images are scouts (localizers), not slices"
    DERIVED = "the images are derived (reformats, projections, synthetic); send the original axial series"
    INCOMPLETE_HEADER = "a required attribute is missing or empty"
    NOT_AXIAL = "the slices are not axial; send the axial series"
    NOT_CHEST = "the pixels do not show two lungs"
    LUNGS_CUT = "the lungs reach the first or the last slice; the scan must cover both lungs"
    CONTRAST_PRESENT = "the scan is contrast-enhanced; PulmoMAP needs a non-contrast CT"
    TOO_FEW_SLICES = "the series has too few slices for a chest volume"
    THICK_SLICES = "the slices are too far apart for vessels to be followed"
    MISSING_SLICES = "slices are missing; send the whole series"
    DUPLICATE_POSITIONS = "two different slices lie at one position; split the series by acquisition"
    IRREGULAR_SPACING = "the distance between the slices is not uniform"
    GANTRY_TILT = "the gantry was tilted; PulmoMAP does not resample sheared volumes"
    MIXED_ORIENTATION = "the slices have different orientations"
    MIXED_GEOMETRY = "the slices differ in matrix size, pixel spacing or frame of reference"
    NOT_PREFERRED = "another reconstruction of the same scan suits the networks better and was taken"


class Flag(str, Enum):
    """What a person must know about a series that is processed all the same."""

    THICK_SLICES = "slices thicker than the networks were made for: small vessels will be missed"
    SHARP_KERNEL = "only a sharp (lung) kernel was available: noise is higher than the networks were made for"
    NO_NODULE = "no nodule was given or found in the study: the vessel map has no perinodular measurements"
    NODULE_SOURCE_REFUSED = "an object that should hold nodules was not trusted"
    MIXED_FRAME_OF_REFERENCE = (
        "the slices carry different frames of reference, as some de-identification leaves them, though they form one "
        "regular volume: that of the first slice was taken for the results"
    )
    LOSSY_COMPRESSION = "the images were compressed with loss"


class Refused(Exception):
    """An input that must not be processed.

    Args:
        code: the named reason.
        detail: one sentence with the facts (counts, positions, values), free of patient identifiers.
    """

    def __init__(self, code: Refusal, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"{code.name}: {detail}")
