"""The command line: quick help, clear errors, exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.__main__ import parse_arguments

ROOT = Path(__file__).resolve().parents[2]


def run_app(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env={**__import__("os").environ, **environment},
        check=False,
    )


def test_help_imports_nothing_heavy() -> None:
    """Half a second for --help holds because none of the slow packages is touched."""
    program = (
        "import sys, runpy; sys.argv = ['app', '--help']\n"
        "try: runpy.run_module('app', run_name='__main__')\n"
        "except SystemExit as end: assert end.code in (0, None), end.code\n"
        "heavy = {'torch', 'monai', 'holoscan', 'highdicom', 'pydicom', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    process = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert "exit codes:" in process.stdout


def test_missing_input_is_usage() -> None:
    process = run_app("-i", "/does/not/exist", "-o", "/tmp/never-made")  # noqa: S108
    assert process.returncode == 2
    assert process.stderr.strip() == "pulmomap: --input /does/not/exist is not a folder"
    assert not Path("/tmp/never-made").exists()  # noqa: S108


def test_output_inside_input_is_usage(tmp_path: Path) -> None:
    process = run_app("-i", str(tmp_path), "-o", str(tmp_path / "out"))
    assert process.returncode == 2
    assert "lies inside --input" in process.stderr


def test_empty_folder_is_nothing_suitable(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    process = run_app("-i", str(tmp_path / "in"), "-o", str(tmp_path / "out"))
    assert process.returncode == 3, process.stderr
    assert (tmp_path / "out" / "manifest.json").exists()


def test_map_environment_gives_the_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INPUT", "OUTPUT", "MODEL"):
        monkeypatch.setenv(f"HOLOSCAN_{name}_PATH", f"/x/{name.lower()}")
    arguments = parse_arguments([])
    assert (arguments.input, arguments.output, str(arguments.models)) == (
        Path("/x/input"),
        Path("/x/output"),
        "/x/model",
    )


def test_nodules_take_negative_coordinates() -> None:
    arguments = parse_arguments(["-i", "a", "-o", "b", "-n", "-57.4", "131.2", "-520.4", "15.5", "-n", "1", "2", "3"])
    assert arguments.nodule == [[-57.4, 131.2, -520.4, 15.5], [1.0, 2.0, 3.0]]


def test_nodule_with_two_numbers_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse_arguments(["-i", "a", "-o", "b", "-n", "1", "2"])
    assert end.value.code == 2
    assert "X Y Z [DIAMETER]" in capsys.readouterr().err
