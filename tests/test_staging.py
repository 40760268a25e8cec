"""Half-written results never stand under their final name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pulmomap.staging import HIDDEN, FolderInUse, Staging, write_atomically


def test_published_folder_appears_whole(tmp_path: Path) -> None:
    with Staging(tmp_path / "out") as staging:
        (staging.folder("k") / "a.txt").write_text("new")
        assert not (tmp_path / "out" / "k").exists()
        staging.publish("k")
        assert (tmp_path / "out" / "k" / "a.txt").read_text() == "new"
    assert not (tmp_path / "out" / HIDDEN).exists()


def test_publishing_replaces_every_file_of_an_earlier_run(tmp_path: Path) -> None:
    (tmp_path / "k").mkdir()
    (tmp_path / "k" / "left-over.txt").write_text("old")
    with Staging(tmp_path) as staging:
        (staging.folder("k") / "a.txt").write_text("new")
        staging.publish("k")
    assert [path.name for path in (tmp_path / "k").iterdir()] == ["a.txt"]


def test_discarding_keeps_the_results_of_an_earlier_run(tmp_path: Path) -> None:
    (tmp_path / "k").mkdir()
    (tmp_path / "k" / "a.txt").write_text("old")
    with Staging(tmp_path) as staging:
        (staging.folder("k") / "a.txt").write_text("broken")
        staging.discard("k")
    assert (tmp_path / "k" / "a.txt").read_text() == "old"


def test_two_runs_cannot_share_an_output_folder(tmp_path: Path) -> None:
    with Staging(tmp_path), pytest.raises(FolderInUse, match="another run"), Staging(tmp_path):
        pass
    with Staging(tmp_path):
        pass  # free again


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1])
def test_killed_writer_leaves_only_whole_files(tmp_path: Path, delay: float) -> None:
    """A process that replaces files and folders for ever is killed at an arbitrary moment."""
    program = textwrap.dedent(
        """
        import sys, pathlib
        from pulmomap.staging import Staging, write_atomically
        out = pathlib.Path(sys.argv[1])
        with Staging(out) as staging:
            for n in range(10**9):
                write_atomically(out / "one.bin", bytes([n % 256]) * 100_000)
                folder = staging.folder("k")
                for name in "abc":
                    (folder / name).write_bytes(bytes([n % 256]) * 50_000)
                staging.publish("k")
                if n == 0:
                    print("ready", flush=True)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    time.sleep(delay)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    content = (tmp_path / "one.bin").read_bytes()
    assert len(content) == 100_000
    assert len(set(content)) == 1
    if (tmp_path / "k").exists():
        files = [(tmp_path / "k" / name).read_bytes() for name in "abc"]
        assert {len(one) for one in files} == {50_000}
        assert len(set(b"".join(files))) == 1
    with Staging(tmp_path):
        assert list((tmp_path / HIDDEN).iterdir()) == []


def test_atomic_write_keeps_the_old_content_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "text is not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
