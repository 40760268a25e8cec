"""The stored pixel values of one file, in whatever transfer syntax it came.

pydicom's decoders (its own, pylibjpeg, python-gdcm, pyjpegls) come first: they are told the sign and the depth of the
pixels and check the data they are given. GDCM inside SimpleITK reads what they do not know: JPEG with 12 bits
(processes 4, 6/8 and 10/12) and GE's private big-endian syntax.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK
from pydicom import Dataset, dcmread
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGExtended12Bit,
)

from pulmomap.dicom.frames import Slice
from pulmomap.dicom.header import integer, text

StoredValues = npt.NDArray[Any]


def transfer_syntax(header: Dataset) -> UID:
    """The transfer syntax of a file; for one without meta information, the encoding the parser found."""
    stated = text(getattr(header, "file_meta", Dataset()), "TransferSyntaxUID")
    if stated:
        return UID(stated)
    implicit, little_endian = header.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian


def is_packed(syntax: UID) -> bool:
    """Whether the pixels may take less room in the file than in memory."""
    try:
        return bool(syntax.is_private or syntax.is_deflated or syntax.is_encapsulated)
    except ValueError:  # no transfer syntax at all; the decoder will say so
        return True


def stored_values(path: Path, header: Dataset, slices: Sequence[Slice]) -> Iterator[StoredValues]:
    """Decode the images of one file, no more than one at a time.

    Args:
        path: the file.
        header: its data set without pixels.
        slices: which frames, with the slope and intercept of each.

    Yields:
        (rows, columns) integers of the sign and depth that the header declares, in the order of ``slices``.

    Raises:
        Exception: whatever a decoder raises on pixels that it cannot read.
    """
    syntax = transfer_syntax(header)
    if _needs_gdcm(syntax, header):
        yield from _decode_with_gdcm(path, slices)
        return
    stated = bool(text(getattr(header, "file_meta", Dataset()), "TransferSyntaxUID"))
    # pydicom seeks pixels frame by frame in a file, but neither in a deflated one nor in one without a syntax.
    source = path if stated and syntax != DeflatedExplicitVRLittleEndian else _whole(path, syntax)
    yield from iter_pixels(source, indices=[one.frame for one in slices], raw=True)


def _needs_gdcm(syntax: UID, header: Dataset) -> bool:
    if syntax == JPEGExtended12Bit:
        return integer(header, "BitsStored") != 8
    try:
        return not get_decoder(syntax).is_available
    except NotImplementedError:
        return True


def _whole(path: Path, syntax: UID) -> Dataset:
    dataset = dcmread(path, force=True)
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def _decode_with_gdcm(path: Path, slices: Sequence[Slice]) -> Iterator[StoredValues]:
    """SimpleITK returns HU; the stored values are wanted, because padding is marked in them."""
    images = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    for one in slices:
        image = images[one.frame]
        if image.shape != (one.rows, one.columns):
            raise ValueError(f"the decoded image is {image.shape}")
        yield np.rint((image - one.intercept) / one.slope).astype(np.int32)
