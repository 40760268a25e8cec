"""`make pacs-demo` as a newcomer runs it: the command itself, what it prints, and that nothing of it stays."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest
from app_runs import ROOT
from deploy_site import missing, need_programs
from dicom_factory import ct_series

from deploy.ohif.fetch import ViewerError, fetch_viewer


@pytest.fixture(scope="module", autouse=True)
def parts() -> None:
    need_programs()
    try:
        fetch_viewer()
    except ViewerError as error:
        missing(str(error))


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    """The demonstration, with its folder in ours."""
    return subprocess.Popen(
        [sys.executable, "-m", "deploy.demo", *options],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left(folder: Path) -> list[str]:
    """Programs that still run in a folder's name, and files in it."""
    words = [" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])]
    return [line for line in words if str(folder) in line] + [str(path) for path in folder.iterdir()]


def test_a_study_that_is_refused_is_said_at_once(tmp_path: Path) -> None:
    """Not after half an hour of waiting: the gateway's own sentence, and where the logs are."""
    study, folder = tmp_path / "study", tmp_path / "tmp"
    folder.mkdir()
    ct_series(study, ContrastBolusAgent="Iomeprol")
    with start(folder, "--study", str(study), "--once") as demo:
        out, err = demo.communicate(timeout=500)
    assert demo.returncode == 1
    assert "refused, CONTRAST_PRESENT: " in err
    assert "Traceback" not in out + err
    (logs,) = folder.iterdir()
    assert f"the logs are in {logs}" in err
    assert (logs / "gateway.log").is_file()
    words = [" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])]
    assert [line for line in words if str(folder) in line] == []


def test_a_folder_that_is_none_is_said_before_anything_starts(tmp_path: Path) -> None:
    with start(tmp_path, "--study", str(tmp_path / "nowhere")) as demo:
        out, err = demo.communicate(timeout=100)
    assert (demo.returncode, out) == (1, "")
    assert "nowhere is no folder" in err


@pytest.mark.slow
@pytest.mark.timeout(2000)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_it_shows_a_phantom_until_it_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    said = ""
    with start(tmp_path, "--spacing", "3") as demo:
        assert demo.stdout is not None
        while "Ctrl-C" not in said:
            line = demo.stdout.readline()
            assert line, (said, demo.stderr and demo.stderr.read())
            said += line
        (address, user, password) = re.findall(r"(?:The vessels|User|Password): +(\S+)", said)
        assert httpx.get(address).status_code == 401
        assert httpx.get(address, auth=(user, password)).status_code == 200
        assert int(re.findall(r"Forwarded to the PACS by DICOM: (\d+) objects", said)[0]) > 100
        demo.send_signal(number)
        demo.wait(120)
    assert demo.returncode == 0
    time.sleep(1)
    assert left(tmp_path) == []
