"""From the files of a selected series to a volume in HU.

The peak is one float32 volume and one decoded slice: slices are written into place as they are decoded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from highdicom import Volume
from pydicom import Dataset

from pulmomap.case import Instance, SelectedSeries
from pulmomap.dicom.frames import Slice, slices_of
from pulmomap.dicom.geometry import SliceStack, stack_slices
from pulmomap.dicom.header import integer, missing, numbers, quiet_parser
from pulmomap.dicom.pixels import StoredValues, is_packed, stored_values, transfer_syntax
from pulmomap.dicom.tolerances import DEFAULT_TOLERANCES, GeometryTolerances
from pulmomap.refusals import Refusal, Refused

AIR_HU = -1024.0
"""What padding (pixels outside the scanned circle) becomes: the lowest value of the CT number scale of 12 bits."""

_LARGEST_RATIO = 4096
"""No CT compresses better than this (a constant image in JPEG 2000 reaches about 2500); a file that declares more
pixels lies about its size."""

HuArray = npt.NDArray[np.float32]


def read_volume(series: SelectedSeries, tolerances: GeometryTolerances = DEFAULT_TOLERANCES) -> Volume:
    """Read the pixels of a series.

    Args:
        series: as selected; its geometry is derived from its headers again.
        tolerances: those the series was selected with, where they are not the default.

    Returns:
        float32 HU, (slice, row, column), with the affine to LPS mm and the frame of reference. Slices are ordered along
        row direction x column direction. Padding is -1024 HU.

    Raises:
        Refused: UNREADABLE, naming the slice and the transfer syntax; any geometric refusal if the headers changed.
    """
    stack = stack_slices(slices_of(series.instances), tolerances)
    _check_sizes(series.instances, stack)
    array: HuArray = np.empty(stack.shape, dtype=np.float32)
    with quiet_parser():
        for index, places in _places_by_file(stack).items():
            _read_file(series.instances[index], stack, places, array)
    geometry = stack.geometry()
    return Volume(
        array=array,
        affine=geometry.affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid=geometry.frame_of_reference_uid,
    )


def _places_by_file(stack: SliceStack) -> dict[int, list[int]]:
    """For each file, which slices of the volume it holds."""
    places: dict[int, list[int]] = defaultdict(list)
    for place, one in enumerate(stack.slices):
        places[one.instance].append(place)
    return places


def _read_file(instance: Instance, stack: SliceStack, places: Sequence[int], array: HuArray) -> None:
    slices = [stack.slices[place] for place in places]
    padding = _padding(instance.header)
    done = 0
    try:
        for stored in stored_values(instance.path, instance.header, slices):
            to_hu(stored, slices[done], padding, array[places[done]])
            done += 1
    except Exception as error:  # decoders raise whatever the bytes provoke
        raise _unreadable(instance.header, places[min(done, len(places) - 1)], type(error).__name__) from error
    if done != len(places):
        raise _unreadable(instance.header, places[done], "no pixel data")


def to_hu(stored: StoredValues, one: Slice, padding: tuple[int, int] | None, out: HuArray) -> None:
    """Write one image in HU (DICOM PS3.3 C.11.1.1.2) with padding as air (C.7.5.1.1.2).

    Args:
        stored: (rows, columns) integers.
        one: its slope and intercept.
        padding: lowest and highest stored value that marks padding.
        out: (rows, columns) float32, written.

    Raises:
        ValueError: if the image is not of the declared size.
    """
    if stored.shape != out.shape:
        raise ValueError(f"the image is {stored.shape}, the header says {out.shape}")
    np.multiply(stored, one.slope, out=out, dtype=np.float64, casting="same_kind")
    out += one.intercept
    if padding is not None:
        out[(stored >= padding[0]) & (stored <= padding[1])] = AIR_HU


def _padding(header: Dataset) -> tuple[int, int] | None:
    first = numbers(header, "PixelPaddingValue", 1)
    if first is None:
        return None
    last = numbers(header, "PixelPaddingRangeLimit", 1) or first
    signed = integer(header, "PixelRepresentation") == 1
    bits = integer(header, "BitsStored") or 16
    low, high = sorted(_as_stored(int(one[0]), bits, signed) for one in (first, last))
    return low, high


def _as_stored(value: int, bits: int, signed: bool) -> int:
    """A padding value as the pixels show it: some state -2000 as 63536, or the reverse."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if signed and value >> (bits - 1) else value


def _check_sizes(instances: Sequence[Instance], stack: SliceStack) -> None:
    """Refuse, before memory is taken, a header that declares more pixels than its file can hold."""
    _, rows, columns = stack.shape
    for index, places in _places_by_file(stack).items():
        header = instances[index].header
        bits = integer(header, "BitsAllocated")
        if bits not in (8, 16, 32):
            raise missing("BitsAllocated")
        declared = (max(stack.slices[place].frame for place in places) + 1) * rows * columns * bits // 8
        try:
            present = instances[index].path.stat().st_size
        except OSError as error:
            raise _unreadable(header, places[0], type(error).__name__) from error
        ratio = _LARGEST_RATIO if is_packed(transfer_syntax(header)) else 1
        if declared > present * ratio:
            raise Refused(
                Refusal.UNREADABLE,
                f"slice {places[0] + 1} declares {declared} bytes of pixels, its file has {present} bytes; "
                "send the original again",
            )


def _unreadable(header: Dataset, place: int, what: str) -> Refused:
    return Refused(
        Refusal.UNREADABLE,
        f"the pixels of slice {place + 1} ({transfer_syntax(header).name}) cannot be decoded: {what}; "
        "send the original again",
    )
