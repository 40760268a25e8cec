"""May this series be processed? One function a rule; the first rule that fails names the refusal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pydicom import Dataset
from pydicom.uid import UID

from pulmomap.case import Instance
from pulmomap.dicom.contrast import contrast_evidence
from pulmomap.dicom.frames import CT_CLASSES, described, slices_of
from pulmomap.dicom.geometry import SliceStack, angle_to_axial, stack_slices
from pulmomap.dicom.header import integer, is_own_output, missing, text, texts
from pulmomap.dicom.kernels import KernelClass, classify_kernel
from pulmomap.dicom.rules import SelectionRules
from pulmomap.refusals import Flag, Refusal, Refused

_REQUIRED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "ImageType", "BitsAllocated", "BitsStored")
_HU_TYPE = re.compile(r"|US|HU.*|HOUN.*")
"""Rescale Type: "US" is unspecified, which scanners write for HU; others (Z_EFF, MGML, ...) are other quantities."""
_LOSSY_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{end}" for end in ("50", "51", "53", "55", "81"))


def check_headers(headers: Sequence[Dataset], rules: SelectionRules) -> None:
    """Judge what the headers of a series say about its images.

    Raises:
        Refused: NOT_CT, LOCALIZER, DERIVED, INCOMPLETE_HEADER or CONTRAST_PRESENT, whichever is found first.
    """
    _check_modality(headers)
    _check_origin(headers)
    _check_image_type(headers, rules)
    for header in headers:
        _check_pixels(header)
    if rules.refuse_contrast_tags:
        _check_contrast(headers)


def check_volume(instances: Sequence[Instance], rules: SelectionRules) -> SliceStack:
    """Judge the volume that the images of a series form.

    Args:
        instances: the files of the series, copies removed.
        rules: the settings.

    Returns:
        The series' regular grid.

    Raises:
        Refused: any of the geometric refusals, NOT_AXIAL, TOO_FEW_SLICES, NOT_CHEST or THICK_SLICES.
    """
    stack = stack_slices(slices_of(instances), rules.geometry)
    _check_axial(stack, rules)
    if len(stack.slices) < rules.min_slices:
        raise Refused(
            Refusal.TOO_FEW_SLICES,
            f"the series has {len(stack.slices)} slices, fewer than {rules.min_slices}; send the whole scan",
        )
    _check_body_part(instances[0].header, rules)
    _check_thickness(stack, rules)
    return stack


def flags_of(instances: Sequence[Instance], stack: SliceStack, rules: SelectionRules) -> tuple[Flag, ...]:
    """What a person must know about a series that passed."""
    found = (
        (Flag.THICK_SLICES, thickness_of(stack) > rules.flag_spacing_mm),
        (Flag.SHARP_KERNEL, kernel_of(instances[0].header) is KernelClass.SHARP),
        (Flag.MIXED_FRAME_OF_REFERENCE, stack.own_frames_of_reference),
        (Flag.LOSSY_COMPRESSION, any(_is_lossy(instance.header) for instance in instances)),
    )
    return tuple(flag for flag, applies in found if applies)


def thickness_of(stack: SliceStack) -> float:
    """The larger of slice spacing and stated slice thickness, mm: what limits how thin a vessel may be."""
    return max(stack.spacing, *(one.thickness or 0.0 for one in stack.slices))


def kernel_of(header: Dataset) -> KernelClass:
    """The class of the reconstruction kernel."""
    return classify_kernel(texts(described(header, 0, "CTReconstructionSequence"), "ConvolutionKernel"))


def _check_modality(headers: Sequence[Dataset]) -> None:
    for header in headers:
        modality = text(header, "Modality")
        sop_class = UID(text(header, "SOPClassUID"))
        if is_own_output(header):
            raise Refused(Refusal.DERIVED, "the objects were made by PulmoMAP itself; send the original CT series")
        if modality != "CT" and modality:
            raise Refused(Refusal.NOT_CT, f"the modality is {_code(modality)}")
        if sop_class not in CT_CLASSES:
            raise Refused(Refusal.NOT_CT, f"the objects are of the class {sop_class.name}, not CT images")
        if not modality:
            raise missing("Modality")


def _check_origin(headers: Sequence[Dataset]) -> None:
    if any(text(header, "SyntheticData").upper() == "YES" for header in headers):
        raise Refused(
            Refusal.DERIVED, "SyntheticData is YES: no scanner measured these images; send the original series"
        )


def _check_image_type(headers: Sequence[Dataset], rules: SelectionRules) -> None:
    excluded = {word.upper() for word in rules.excluded_image_types}
    for header in headers:
        values = [one.upper() for frame in _image_types(header) for one in frame]
        if any(word in ("LOCALIZER", "SCOUT", "TOPOGRAM") for one in values for word in _words(one)):
            raise Refused(Refusal.LOCALIZER, "ImageType says LOCALIZER; send the axial series")
        found = next((word for one in values for word in _words(one) if word in excluded), None)
        if found:
            raise Refused(Refusal.DERIVED, f"ImageType contains {found}; send the original axial series")


def _image_types(header: Dataset) -> Iterator[tuple[str, ...]]:
    yield texts(header, "ImageType")
    yield texts(described(header, 0, "CTImageFrameTypeSequence"), "FrameType")


def _words(image_type: str) -> tuple[str, ...]:
    return (image_type, *re.split(r"[\s_]+", image_type))


def _check_pixels(header: Dataset) -> None:
    """The attributes without which stored values are no HU (DICOM PS3.3 C.8.2.1, C.11.1)."""
    for keyword in _REQUIRED:
        if not text(header, keyword):
            raise missing(keyword)
    photometric = text(header, "PhotometricInterpretation")
    if not photometric:
        raise missing("PhotometricInterpretation")
    if photometric != "MONOCHROME2" or (integer(header, "SamplesPerPixel") or 1) != 1:
        raise Refused(
            Refusal.DERIVED, f"PhotometricInterpretation is {_code(photometric)}; CT slices in HU are MONOCHROME2"
        )
    units = text(described(header, 0, "PixelValueTransformationSequence"), "RescaleType").upper()
    if not _HU_TYPE.fullmatch(units):
        raise Refused(Refusal.DERIVED, f"RescaleType is {_code(units)}, not HU; send the original axial series")


def _check_contrast(headers: Sequence[Dataset]) -> None:
    evidence = next(filter(None, map(contrast_evidence, headers)), None)
    if evidence:
        raise Refused(Refusal.CONTRAST_PRESENT, f"{evidence}; send a series taken without contrast")


def _check_axial(stack: SliceStack, rules: SelectionRules) -> None:
    angle = angle_to_axial(stack)
    if angle > rules.axial_degrees:
        raise Refused(
            Refusal.NOT_AXIAL,
            f"the slices are turned {angle:.0f} degrees from axial (limit {rules.axial_degrees:g}); "
            "send the axial series",
        )


def _check_body_part(header: Dataset, rules: SelectionRules) -> None:
    part = text(header, "BodyPartExamined").upper()
    if part in rules.other_body_parts:
        raise Refused(Refusal.NOT_CHEST, f"BodyPartExamined is {part}; send a chest CT")


def _check_thickness(stack: SliceStack, rules: SelectionRules) -> None:
    if thickness_of(stack) > rules.max_spacing_mm:
        raise Refused(
            Refusal.THICK_SLICES,
            f"the slices are {stack.spacing:.2f} mm apart and up to {thickness_of(stack):.2f} mm thick "
            f"(limit {rules.max_spacing_mm:g} mm); send the thin reconstruction",
        )


def _is_lossy(header: Dataset) -> bool:
    stated = text(header, "LossyImageCompression")
    syntax = text(getattr(header, "file_meta", Dataset()), "TransferSyntaxUID")
    return stated == "01" or (stated != "00" and syntax in _LOSSY_SYNTAXES)


def _code(value: str) -> str:
    """A code string fit for a message: what is not a DICOM code string (CS) may be anything and is not repeated."""
    return value if re.fullmatch(r"[A-Z0-9_ ]{1,16}", value) else "not a valid code"
