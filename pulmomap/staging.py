"""Nothing half-written ever stands under its final name.

Results of a series are made in a hidden folder beside their destination and put in place by renaming, which a file
system does at once or not at all. A run that is killed leaves only the hidden folder, which the next run clears.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from types import TracebackType

HIDDEN = ".partial"


class FolderInUse(RuntimeError):
    """Another run writes into the same output folder."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that ``path`` holds either its old content or all of the new."""
    partial = path.with_name(f".{path.name}{HIDDEN}")
    with partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


class Staging:
    """The hidden workplace inside an output folder, held by one run at a time.

    Use as a context manager: entering takes the lock and clears what a killed run left.

    Args:
        output: the output folder; made if missing.

    Raises:
        FolderInUse: another living run holds the folder.
        OSError: the folder cannot be made or written.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self._hidden = output / HIDDEN
        self._lock: int | None = None

    def __enter__(self) -> Staging:
        self.output.mkdir(parents=True, exist_ok=True)
        # The lock is on the folder itself: no lock file is left behind, and the kernel frees it when the run dies.
        self._lock = os.open(self.output, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = None
            raise FolderInUse(f"another run is writing into {self.output}; wait for it or choose another -o") from None
        shutil.rmtree(self._hidden, ignore_errors=True)
        self._hidden.mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._hidden, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)

    def folder(self, key: str) -> Path:
        """The hidden folder in which the results of one series are gathered."""
        path = self._hidden / key
        path.mkdir(exist_ok=True)
        return path

    def publish(self, key: str) -> Path:
        """Put the gathered results in place as ``output/key``, replacing those of an earlier run."""
        final, old = self.output / key, self._hidden / f"{key}.old"
        if final.exists():
            final.replace(old)
        self.folder(key).replace(final)
        shutil.rmtree(old, ignore_errors=True)
        return final

    def discard(self, key: str) -> None:
        """Throw away what was gathered for one series. Results of an earlier run stay."""
        shutil.rmtree(self._hidden / key, ignore_errors=True)
