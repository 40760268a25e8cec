"""What the Dockerfile and its lock files promise, and the programs that build and check the image; no engine needed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.__main__ import NOT_RUN, main
from container.build import Pip, parse_pip, tag
from container.engine import NoEngineError, engine
from container.lock import NEVER, select
from container.prune import ITK_KEPT, UNUSED, prune, prune_itk
from pulmomap import __version__

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
INSTRUCTIONS = [line for line in DOCKERFILE.replace("\\\n", " ").splitlines() if re.match(r"[A-Z]+ ", line)]
FLAVOURS = ("cpu", "cuda")


def locked(name: str) -> dict[str, str]:
    lines = (ROOT / "container" / f"requirements-{name}.lock").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def required(file: Path) -> dict[str, str]:
    """Version by normalised name, of a requirements file with exact pins."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    assert all("==" in line for line in lines), lines
    return {name.lower().replace("_", "-"): version for name, version in (line.split("==") for line in lines)}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_lock_holds_the_requirements(flavour: str) -> None:
    """The image runs what the tests run: the same version of everything, but for what it never runs."""
    wanted = required(ROOT / "requirements.txt")
    wanted = {name: version for name, version in wanted.items() if name not in NEVER}
    lock = {name: version.removesuffix("+cpu") for name, version in locked(flavour).items()}
    assert {name: lock.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("name", [*FLAVOURS, "sbom"])
def test_lock_is_exact(name: str) -> None:
    assert all(re.fullmatch(r"[0-9][0-9a-z.+]*", version) for version in locked(name).values())
    assert list(locked(name)) == sorted(locked(name))


def test_cpu_image_has_no_cuda_but_what_holoscan_links() -> None:
    cpu, cuda = locked("cpu"), locked("cuda")
    gpu = {name for name in cpu if re.match(r"nvidia|cuda|cupy|triton$", name)}
    assert gpu == {"nvidia-cuda-runtime"}
    assert cpu["torch"] == cuda["torch"] + "+cpu"
    assert {name: version for name, version in cuda.items() if name in cpu and name != "torch"} == {
        name: version for name, version in cpu.items() if name != "torch"
    }
    assert {"nvidia-cudnn-cu13", "cupy-cuda13x", "triton"} <= cuda.keys() - cpu.keys()


def test_select_leaves_out_by_flavour() -> None:
    packages = {"torch": "2.13.0", "nvidia-cublas": "13", "nvidia-cuda-runtime": "13", "pip": "26", "tritonclient": "2"}
    assert list(select(packages, "cpu")) == ["nvidia-cuda-runtime==13", "torch==2.13.0+cpu", "tritonclient==2"]
    assert list(select(packages, "cuda")) == [
        "nvidia-cublas==13",
        "nvidia-cuda-runtime==13",
        "torch==2.13.0",
        "tritonclient==2",
    ]


def test_image_does_not_run_as_root() -> None:
    assert [line for line in INSTRUCTIONS if line.startswith("USER ")][-1] == "USER 1000:1000"
    after = INSTRUCTIONS[INSTRUCTIONS.index("USER 1000:1000") :]
    assert not [line for line in after if line.startswith(("RUN", "COPY", "ADD"))]


def test_entry_point_gets_its_arguments_unchanged() -> None:
    """The exec form: no shell between docker and the script."""
    assert 'ENTRYPOINT ["/var/holoscan/tools"]' in INSTRUCTIONS
    assert not [line for line in INSTRUCTIONS if line.startswith("CMD")]


def test_no_secret_is_an_argument_or_a_file() -> None:
    """Credentials come as BuildKit secrets only: arguments, ENV and copied files stay readable in the image."""
    words = "|".join(("password", "token", "secret", "index-url", "credential", "pip.conf"))
    for line in INSTRUCTIONS:
        if line.startswith(("ARG", "ENV", "LABEL", "COPY", "ADD")):
            assert not re.search(words, line, flags=re.IGNORECASE), line
        if "pip install" in line:
            assert "--mount=type=secret,id=pipconf" in line
            assert "--no-cache-dir" in line
            assert "--no-deps" in line


def test_final_stage_takes_results_only() -> None:
    """Compilers, pip and the build context stay in the earlier stages."""
    last = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert last.startswith("\nFROM python\n")
    assert all("--from=" in line for line in re.findall(r"^COPY .*", last, flags=re.MULTILINE))
    assert "apt-get" not in last
    assert "pip" not in last


def test_build_sees_only_what_is_listed() -> None:
    lines = [
        line
        for line in (ROOT / "Dockerfile.dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert lines[0] == "*"
    listed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    packages = set(
        re.findall(r"root_packages = \[(.*)\]", (ROOT / "pyproject.toml").read_text())[0].replace('"', "").split(", ")
    )
    assert packages <= listed
    assert listed.isdisjoint({"tests", "benchmarks", ".git", "demo", "runs"})


def test_writable_places_lie_under_tmp() -> None:
    """With a read-only root and a user that /etc/passwd does not know."""
    environment = dict(re.findall(r"(\w+)=(\S+)", " ".join(line for line in INSTRUCTIONS if line.startswith("ENV"))))
    assert environment["HOME"] == "/tmp"  # noqa: S108
    assert environment["CUPY_CACHE_DIR"].startswith("/tmp/")  # noqa: S108
    assert environment["USER"] == "holoscan"
    assert environment["PYTHONSAFEPATH"] == "1"


def test_pip_configuration_travels_without_folders_of_this_machine(tmp_path: Path) -> None:
    listing = "\n".join(
        (
            "global.index-url='https://user:word@mirror.example/simple'",
            "global.extra-index-url='file:///opt/pypi/simple https://second.example/simple'",
            f"global.find-links='{tmp_path}'",
            ":env:.cert='/etc/ssl/own.pem'",
            ":env:.default-timeout='180'",
            "list.format='columns'",
        )
    )
    pip = parse_pip(listing)
    assert pip == Pip(
        {
            "index-url": "https://user:word@mirror.example/simple",
            "extra-index-url": "https://second.example/simple",
        },
        Path("/etc/ssl/own.pem"),
        tmp_path,
    )
    assert pip.configuration().splitlines() == [
        "[global]",
        "index-url = https://user:word@mirror.example/simple",
        "extra-index-url = https://second.example/simple",
        "cert = /etc/ssl/certs/ca-certificates.crt",
        "find-links = /opt/wheels",
    ]


@given(st.text())
def test_any_pip_listing_is_read(listing: str) -> None:
    assert parse_pip(listing).configuration().startswith("[global]\n")


def test_unconfigured_pip_hands_over_nothing() -> None:
    assert parse_pip("") == Pip({}, None, None)


def test_image_has_the_apps_version() -> None:
    assert tag("cpu") == f"pulmomap:{__version__}"
    assert tag("cuda") == f"pulmomap:{__version__}-cuda"


def itk_module(itk: Path, name: str, depends: tuple[str, ...], template: str) -> None:
    (itk / "Configuration").mkdir(parents=True, exist_ok=True)
    (itk / "Configuration" / f"{name}Config.py").write_text(
        f"depends = {depends!r}\ntemplates = (('{name}', 'itk::{name}', '{template}', True),)\n"
    )
    (itk / "Configuration" / f"{name}_snake_case.py").write_text("snake_case_functions = ('f',)\n")
    for file in (f"_{name}Python.abi3.so", f"{name}Python.py", f"{template}Python.py"):
        (itk / file).write_text("content")


def test_pruned_itk_keeps_its_modules_and_empty_neighbours(tmp_path: Path) -> None:
    for name in ITK_KEPT:
        itk_module(tmp_path, name, ("ITKSmoothing",) if name == "Elastix" else (), f"itk{name}Class")
    itk_module(tmp_path, "ITKSmoothing", ("ITKFFT",), "itkMedian")
    itk_module(tmp_path, "ITKFFT", (), "itkFFT")
    prune_itk(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    for name in ITK_KEPT:
        assert {f"_{name}Python.abi3.so", f"{name}Python.py", f"itk{name}ClassPython.py"} <= left
    assert not {name for name in left if "FFT" in name or "Median" in name or name == "_ITKSmoothingPython.abi3.so"}
    assert (tmp_path / "ITKSmoothingPython.py").read_text() == ""
    assert "depends = ()" in (tmp_path / "Configuration" / "ITKSmoothingConfig.py").read_text()
    assert not (tmp_path / "Configuration" / "ITKFFTConfig.py").exists()


def test_prune_frees_what_it_says(tmp_path: Path) -> None:
    for name in ITK_KEPT:
        itk_module(tmp_path / "itk", name, (), f"itk{name}Class")
    for name, size in (("torch/test/big", 1000), ("torch/lib/kept.so", 10), ("scipy/stats/tests/t.py", 100)):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(bytes(size))
    (tmp_path / "numpy" / "tests").mkdir(parents=True)
    assert prune(tmp_path) == 1100
    assert (tmp_path / "torch/lib/kept.so").exists()
    assert (tmp_path / "numpy" / "tests").exists()


def test_every_rule_of_the_pruner_still_names_something() -> None:
    """A rule that matches nothing in the installed packages is dead: the library has moved its files."""
    packages = next(Path(path) for path in sys.path if Path(path, "torch").is_dir())
    elsewhere = (
        "torch/",
        "setuptools",
        "pkg_resources",
        "_distutils",
        "distutils",
    )  # differ between builds and Pythons
    assert [rule for rule in UNUSED if not rule.startswith(elsewhere) and not any(packages.glob(rule))] == []


def test_without_docker_the_check_is_not_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never a pass."""
    monkeypatch.setattr("container.engine.shutil.which", lambda name: None)
    assert main(["check"]) == NOT_RUN
    assert capsys.readouterr().err == "image: NOT RUN: docker is not installed\n"


def programs(folder: Path, **scripts: str) -> None:
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)


def test_daemon_started_here_is_stopped_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(
        tmp_path,
        docker=f'case "$1" in info) test -e {tmp_path}/up;; esac',
        dockerd=f"trap 'rm {tmp_path}/up; exit' TERM; touch {tmp_path}/up; while :; do sleep 0.05; done",
    )
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("container.engine.os.geteuid", lambda: 0)
    with pytest.raises(RuntimeError, match="the check failed"):
        _fail_under_an_engine(tmp_path / "up")
    assert not (tmp_path / "up").exists()


def _fail_under_an_engine(sign: Path) -> None:
    with engine():
        assert sign.exists()
        raise RuntimeError("the check failed")


def test_daemon_that_was_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, docker="exit 0", dockerd=f"touch {tmp_path}/started")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with engine():
        pass
    assert not (tmp_path / "started").exists()


def test_daemon_that_dies_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, docker='test "$1" != info', dockerd="echo 'failed to mount overlay' >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("container.engine.os.geteuid", lambda: 0)
    with pytest.raises(NoEngineError, match="failed to mount overlay"), engine():
        pass


def test_entry_script_is_plain_shell() -> None:
    subprocess.run(["sh", "-n", str(ROOT / "container" / "tools")], check=True)
    assert (ROOT / "container" / "tools").stat().st_mode & 0o111 == 0o111
