"""Every command in the documentation is one that works."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PYTHON = ".venv/bin/python"
TORCHRUN = ".venv/bin/torchrun"


def commands(page: Path) -> list[str]:
    """The lines of a page's ``sh`` blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), flags=re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


ALL = [pytest.param(line, id=f"{page.name}: {line[:60]}") for page in PAGES for line in commands(page)]


@pytest.mark.parametrize("line", ALL)
def test_command_is_understood(line: str) -> None:
    """make targets exist (a dry run); options of our programs are known to their parsers.

    The programs themselves are run by the system tests; here a command that the documentation gets wrong fails.
    """
    words = shlex.split(line)
    while "=" in words[0]:
        name = words.pop(0).split("=")[0]
        assert name.startswith("PULMOMAP_")
    if words[0] == "make":
        subprocess.run([*words, "--dry-run"], cwd=ROOT, check=True, capture_output=True)
        return
    if words[0] == TORCHRUN:
        from torch.distributed.run import get_args_parser

        started = get_args_parser().parse_args(words[1:])
        assert started.module
        words = [PYTHON, "-m", started.training_script, *started.training_script_args]
    assert words[:2] == [PYTHON, "-m"], line
    module, arguments = words[2], words[3:]
    if module == "app":
        from app.__main__ import parse_arguments

        parse_arguments(arguments)
    elif module == "gateway":
        from gateway.__main__ import parser as gateway_parser

        gateway_parser().parse_args(arguments)
    elif module.startswith("benchmarks."):
        import_module(module).parser().parse_args(arguments)
    else:
        assert module == "training", line
        from training.__main__ import parser

        parser().parse_args(arguments)


def test_links_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text())
        if not target.startswith("http") and not (page.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.slow
def test_make_demo_from_the_readme() -> None:
    """The newcomer's first command, with the environment that is already there."""
    process = subprocess.run(
        ["make", "demo", "SEED=2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHON": sys.executable},
    )
    assert process.returncode == 0, process.stderr[-2000:]
    report = ROOT / process.stdout.strip().splitlines()[-1].removeprefix("Report: ")
    assert report.is_file()
