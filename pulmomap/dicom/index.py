"""What lies in a folder: every DICOM object in it, by study and series, without reading a pixel."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydicom import Dataset, dcmread
from pydicom.uid import MediaStorageDirectoryStorage

from pulmomap.case import Instance
from pulmomap.dicom.header import quiet_parser, text

_PREAMBLE = 128
_HEADERLESS_STARTS = (b"\x08\x00", b"\x00\x08", b"\x02\x00")
"""The first tag's group of a data set written without the DICM prefix: 0008 in either byte order, or 0002."""


class _NoObjectError(Exception):
    """A data set that is no object of a study."""


@dataclass(frozen=True)
class UnreadableFile:
    """A file that claims to be DICOM but cannot be parsed.

    Attributes:
        path: relative to the indexed folder. File names may hold patient names: data for the manifest, not for logs.
        reason: one sentence without values from the file.
    """

    path: PurePosixPath
    reason: str


@dataclass(frozen=True)
class IndexedSeries:
    """The objects that share one Study and Series Instance UID ("" where a file has none), ordered by path."""

    study_uid: str
    series_uid: str
    instances: tuple[Instance, ...]


@dataclass(frozen=True)
class FolderIndex:
    """All that was found.

    Attributes:
        root: the indexed folder.
        series: ordered by study UID, then series UID.
        unreadable: files that should be DICOM but are broken.
        skipped: how many files are not DICOM, are directories of media (DICOMDIR) or are links that lead outside.
    """

    root: Path
    series: tuple[IndexedSeries, ...]
    unreadable: tuple[UnreadableFile, ...]
    skipped: int


def index_folder(root: Path) -> FolderIndex:
    """Read the headers of all DICOM files below a folder.

    Hidden files and folders are passed over; a link is followed only to a file inside ``root``, a linked folder never.

    Args:
        root: the folder to walk.

    Raises:
        NotADirectoryError: if ``root`` is not a folder.
    """
    if not root.is_dir():
        raise NotADirectoryError(f"{root} is not a folder")
    groups: dict[tuple[str, str], list[Instance]] = defaultdict(list)
    unreadable: list[UnreadableFile] = []
    skipped = 0
    for path in _files(root):
        try:
            header = _read_header(root, path)
        except Exception as error:  # broken files provoke any exception in the parser
            known = isinstance(error, _NoObjectError)
            reason = str(error) if known else f"the DICOM header cannot be parsed ({type(error).__name__})"
            unreadable.append(UnreadableFile(PurePosixPath(path.relative_to(root).as_posix()), reason))
            continue
        if header is None:
            skipped += 1
        else:
            key = (text(header, "StudyInstanceUID"), text(header, "SeriesInstanceUID"))
            groups[key].append(Instance(path=path, header=header))
    series = tuple(IndexedSeries(study, series, tuple(found)) for (study, series), found in sorted(groups.items()))
    return FolderIndex(root=root, series=series, unreadable=tuple(unreadable), skipped=skipped)


def _files(root: Path) -> Iterator[Path]:
    for folder, subfolders, names in os.walk(root, followlinks=False):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(folder) / name


def _read_header(root: Path, path: Path) -> Dataset | None:
    """The data set up to its pixels; None if the file is not ours to read.

    Raises:
        Exception: whatever the parser raises on a file that claims to be DICOM.
    """
    if not _is_regular_file_inside(root, path):
        return None
    with path.open("rb") as file:
        start = file.read(_PREAMBLE + 4)
    has_prefix = start[_PREAMBLE:] == b"DICM"
    claims_dicom = has_prefix or path.suffix.lower() in {".dcm", ".dicom"}
    if not claims_dicom and start[:2] not in _HEADERLESS_STARTS:
        return None
    try:
        header = _parse(path, force=not has_prefix)
    except Exception:
        if claims_dicom:
            raise
        return None
    return _judge(header, claims_dicom)


def _parse(path: Path, force: bool) -> Dataset:
    with quiet_parser():
        return dcmread(path, stop_before_pixels=True, force=force)


def _judge(header: Dataset, claims_dicom: bool) -> Dataset | None:
    """Keep what is an object of a study; a media directory is nobody's series."""
    media_class = text(getattr(header, "file_meta", Dataset()), "MediaStorageSOPClassUID")
    sop_class = text(header, "SOPClassUID") or media_class
    if sop_class == MediaStorageDirectoryStorage:
        return None
    if text(header, "SOPClassUID"):
        return header
    if claims_dicom:
        raise _NoObjectError("the file has no SOPClassUID: it is empty, cut or not a DICOM object")
    return None


def _is_regular_file_inside(root: Path, path: Path) -> bool:
    if path.name.upper() == "DICOMDIR":
        return False
    if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
        return False
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:  # a dangling link
        return False
