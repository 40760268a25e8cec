"""How much a deflated file holds: counted piece by piece and never kept.

DICOM's one transfer syntax that packs a whole data set (PS3.5 A.5, raw deflate) turns a megabyte into a gigabyte for
any parser that opens it. Everything else in a file is as long as it is on disk, or declared in Rows and Columns.
"""

from __future__ import annotations

import zlib
from pathlib import Path

from pydicom.filereader import read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian

_PIECE = 1 << 20
_BEFORE_META = 128 + 4 + 12  # preamble, "DICM", and the element with the length of the rest of the meta information


def unpacked_size(path: Path, limit: int) -> int:
    """Size of a file's data set once unpacked, in bytes, counted no further than beyond ``limit``.

    A file that is not deflated, or no DICOM, has the size that it has. Where the deflated data are broken the count
    ends: so does whoever reads them.
    """
    try:
        meta = read_file_meta_info(path)
        deflated = meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
        begin = _BEFORE_META + int(meta.FileMetaInformationGroupLength)
    except Exception:  # broken files provoke any exception in the parser; the app will name what is wrong
        return path.stat().st_size
    return _inflated(path, begin, limit) if deflated else path.stat().st_size


def _inflated(path: Path, begin: int, limit: int) -> int:
    total, inflate = 0, zlib.decompressobj(-zlib.MAX_WBITS)
    with path.open("rb") as stream:
        stream.seek(begin)
        data = stream.read(_PIECE)
        while data and total <= limit and not inflate.eof:
            try:
                total += len(inflate.decompress(data, _PIECE))
            except zlib.error:
                break
            data = inflate.unconsumed_tail or stream.read(_PIECE)
    return total
