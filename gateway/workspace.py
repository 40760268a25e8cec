"""The folder in which one series is processed, and the files that are pulled into it.

No name in it comes from DICOM: folders are random, files are numbered.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.deflated import unpacked_size
from gateway.faults import Fault, JobError
from gateway.orthanc import Orthanc, OrthancRefused, TooMuch
from gateway.results import Declined
from gateway.sections import LimitSettings, WorkSettings
from gateway.spool import SpooledSeries, bytes_of, find_series, series_of_study

_MIB = 1 << 20
_COMPANIONS = frozenset({"SEG", "RTSTRUCT", "SR"})
_PREFIX = "worker-"


class NoSpace(Exception):
    """The disk of the work folder is too full. Nothing is wrong with the job.

    Args:
        sentence: what is missing where.
        need: free bytes beyond the reserve with which it would go on.
    """

    def __init__(self, sentence: str, need: int) -> None:
        super().__init__(sentence)
        self.need = need


class Workplace:
    """This worker's folder inside the work folder, held by a lock that dies with the worker.

    Args:
        settings: where, and how much room there must be.

    Raises:
        OSError: the folder cannot be made.
    """

    def __init__(self, settings: WorkSettings) -> None:
        self._settings = settings
        settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(settings.folder):  # or a worker that starts beside this one takes the new folder for a dead one's
            _clear_dead(settings.folder)
            self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=settings.folder))
            self._lock = os.open(self.folder, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)

    def free_bytes(self) -> int:
        """Free disk beyond the reserve."""
        return shutil.disk_usage(self.folder).free - self._settings.reserve_mib * _MIB

    def can_ever_hold(self, size: int) -> bool:
        """Whether a series of ``size`` bytes could be processed if nothing else were on the disk."""
        room = shutil.disk_usage(self.folder).total - self._settings.reserve_mib * _MIB
        return int(size * self._settings.space_factor) <= room

    def check_space(self, size: int) -> None:
        """Make sure that a series of ``size`` bytes can be processed now.

        Raises:
            NoSpace: one sentence.
        """
        need, free = int(size * self._settings.space_factor), self.free_bytes()
        if free < need:
            raise NoSpace(
                f"{self._settings.folder} needs {need // _MIB} MiB beside its reserve and has {max(free, 0) // _MIB}",
                need,
            )

    @contextmanager
    def job(self) -> Iterator[Path]:
        """A fresh folder for one job, removed afterwards.

        Raises:
            NoSpace: the disk filled up on the way.
        """
        folder = Path(tempfile.mkdtemp(prefix="job-", dir=self.folder))
        try:
            yield folder
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NoSpace(f"the disk of {self._settings.folder} filled up", 1) from None
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def pull(
    orthanc: Orthanc, series: SpooledSeries, folder: Path, limits: LimitSettings, keep: Callable[[], None]
) -> None:
    """Write the files of a series, and those of its study that may hold a nodule, into a folder.

    Raises:
        JobError: PULL_FAILED.
        Declined: TOO_LARGE.
        OrthancAway: Orthanc stayed away.
        OSError: the disk.
    """
    left = limits.files_mib * _MIB
    for number, instance in enumerate(series.instances):
        left -= _fetch(orthanc, instance, folder / f"{number:05d}.dcm", left)
        keep()
    for number, instance in enumerate(_companions(orthanc, series, limits)):
        _fetch(orthanc, instance, folder / f"companion-{number:03d}.dcm", limits.companions_mib * _MIB)
        keep()


def _fetch(orthanc: Orthanc, instance: str, path: Path, limit: int) -> int:
    try:
        size = orthanc.download(f"/instances/{instance}/file", path, limit)
        unpacked = unpacked_size(path, limit)
        if unpacked > limit:
            raise TooMuch
        return max(size, unpacked)
    except OrthancRefused as error:
        raise JobError(Fault.PULL_FAILED, f"a file of the series was not handed out ({error})") from None
    except TooMuch:
        detail = "the files hold more than Orthanc's statistics and the limits say"
        raise Declined(Fault.TOO_LARGE.name, detail) from None  # final: another try would find the same


def _companions(orthanc: Orthanc, series: SpooledSeries, limits: LimitSettings) -> list[str]:
    """Instances of the study's SEG, RTSTRUCT and SR series that are not ours, as far as the limits go."""
    found: list[str] = []
    left = limits.companions_mib * _MIB
    for name in series_of_study(orthanc, series.study):
        other = find_series(orthanc, name)
        if other is None or other.modality not in _COMPANIONS or other.is_own:
            continue
        left -= bytes_of(orthanc, name)
        if left >= 0 and len(found) + len(other.instances) <= limits.companions:
            found.extend(other.instances)
    return found


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _clear_dead(folder: Path) -> None:
    """Remove the folders of workers that are no more: nobody holds their lock."""
    for path in folder.glob(f"{_PREFIX}*"):
        try:
            lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)
