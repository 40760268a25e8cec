"""The image's entry script, in a layout made in a folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "container" / "tools"
# A module that says how it was called, and can end in every way.
MODULE = """
import os, resource, signal, sys
print(__spec__.name.split(".")[0], os.getpid(), *sys.argv[1:])
print(resource.getrlimit(resource.RLIMIT_STACK)[0])
if sys.argv[1:2] == ["exit"]:
    sys.exit(int(sys.argv[2]))
if sys.argv[1:2] == ["kill"]:
    os.kill(os.getpid(), signal.SIGKILL)
"""


class Layout:
    """A MAP in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for package in ("app", "training", "gateway"):
            (root / "code" / package).mkdir(parents=True)
            (root / "code" / package / "__main__.py").write_text(MODULE)
        for name in ("models/net/weights", "docs/page.md", "etc/app.json", "etc/pkg.json", "app.yaml"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(json.dumps({"file": name}))
        (root / "bin").mkdir()
        (root / "bin" / "python3").symlink_to(sys.executable)
        self.environment = {
            "PATH": f"{root / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(root / "code"),
            "HOLOSCAN_APPLICATION": str(root / "code"),
            "HOLOSCAN_MODEL_PATH": str(root / "models"),
            "HOLOSCAN_DOCS_PATH": str(root / "docs"),
            "HOLOSCAN_CONFIG_PATH": str(root / "app.yaml"),
            "HOLOSCAN_APP_MANIFEST_PATH": str(root / "etc" / "app.json"),
            "HOLOSCAN_PKG_MANIFEST_PATH": str(root / "etc" / "pkg.json"),
            "HOLOSCAN_EXPORT_PATH": str(root / "export"),
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(TOOLS), *arguments],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out, err


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("arguments", "module", "passed"),
    [
        ([], "app", []),
        (["--nodule", "-57.4", "131.2", "-520.4"], "app", ["--nodule", "-57.4", "131.2", "-520.4"]),
        (["-o", "a folder with spaces"], "app", ["-o", "a folder with spaces"]),
        (["train", "fit", "--data", "x"], "training", ["fit", "--data", "x"]),
        (["gateway", "serve"], "gateway", ["serve"]),
    ],
)
def test_verb_starts_its_door(layout: Layout, arguments: list[str], module: str, passed: list[str]) -> None:
    code, out, err = layout.run(*arguments)
    assert code == 0, err
    first = out.splitlines()[0].split(maxsplit=2)
    assert (first[0], first[2:]) == (module, [" ".join(passed)] if passed else [])


def test_door_replaces_the_script(layout: Layout) -> None:
    """exec: the program has the script's process number, so signals reach it."""
    with layout.start("train") as process:
        out, _ = process.communicate(timeout=60)
    assert int(out.split()[1]) == process.pid


@pytest.mark.parametrize("code", [0, 1, 2, 3, 77])
@pytest.mark.parametrize("verb", [(), ("train",), ("gateway",)])
def test_exit_code_is_the_programs(layout: Layout, verb: tuple[str, ...], code: int) -> None:
    assert layout.run(*verb, "exit", str(code))[0] == code


def test_killed_program_is_killed(layout: Layout) -> None:
    assert layout.run("kill")[0] == -signal.SIGKILL


def test_stack_is_raised_but_never_lowered(layout: Layout) -> None:
    for limit, expected in (("8192", 32768 * 1024), ("65536", 65536 * 1024)):
        done = subprocess.run(
            ["sh", "-c", f'ulimit -S -s {limit}; exec "$0" train', str(TOOLS)],
            cwd=layout.root,
            env=layout.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert int(done.stdout.splitlines()[1]) == expected


def test_show(layout: Layout) -> None:
    for name in ("app", "pkg"):
        code, out, _ = layout.run("show", name)
        assert (code, json.loads(out)) == (0, {"file": f"etc/{name}.json"})
    code, out, _ = layout.run("show")
    assert code == 0
    assert out.index("etc/app.json") < out.index("etc/pkg.json")
    code, out, err = layout.run("show", "models")
    assert (code, out) == (2, "")
    assert err == "pulmomap: show takes app, pkg or nothing, not 'models'\n"


def test_missing_manifest_is_an_error(layout: Layout) -> None:
    (layout.root / "etc" / "pkg.json").unlink()
    code, _, err = layout.run("show", "pkg")
    assert code == 2
    assert "pkg.json is missing" in err


def test_env(layout: Layout) -> None:
    code, out, _ = layout.run("env")
    lines = out.splitlines()
    assert code == 0
    assert f"HOLOSCAN_MODEL_PATH={layout.root / 'models'}" in lines
    names = [line.split("=")[0] for line in lines if line.startswith("HOLOSCAN_")]
    assert names == sorted(names)


def test_help_names_every_verb(layout: Layout) -> None:
    code, out, _ = layout.run("help")
    assert code == 0
    for verb in ("show", "env", "extract", "train", "gateway", "help"):
        assert f"\n  {verb} " in out


def test_extract_all(layout: Layout) -> None:
    (layout.root / "export").mkdir()
    code, _, err = layout.run("extract")
    assert code == 0, err
    assert files(layout.root / "export") == {
        *(f"app/{name}/__main__.py" for name in ("app", "gateway", "training")),
        *("models/net/weights", "docs/page.md", "config/app.json", "config/pkg.json", "config/app.yaml"),
    }


def test_extract_what_is_mounted(layout: Layout) -> None:
    for part in ("config", "docs"):
        (layout.root / "export" / part).mkdir(parents=True)
    assert layout.run("extract")[0] == 0
    assert files(layout.root / "export") == {"docs/page.md", "config/app.json", "config/pkg.json", "config/app.yaml"}


def test_extract_to_nothing_is_an_error(layout: Layout) -> None:
    code, _, err = layout.run("extract")
    assert code == 2
    assert err.startswith(f"pulmomap: nothing is mounted at {layout.root / 'export'}")


def test_extract_that_fails_says_so(layout: Layout) -> None:
    (layout.root / "export").mkdir()
    (layout.root / "export" / "models").write_text("a file where a folder should be")
    code, _, err = layout.run("extract")
    assert code == 2
    assert "export/models is not writable" in err
