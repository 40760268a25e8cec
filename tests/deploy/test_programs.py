"""The demonstration's programs: found, waited for, stopped; and what is said when one fails."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import ct_series
from pydicom import dcmread

from deploy.demo.programs import Program, ProgramError, find_program, free_port, listens
from deploy.demo.study import widen


def python(folder: Path, code: str) -> Program:
    return Program("made", [sys.executable, "-c", code], folder, {})


def test_a_missing_program_is_named_with_its_package() -> None:
    with pytest.raises(ProgramError, match=r"nothing-of-the-kind is not installed .*the package some-package"):
        find_program("nothing-of-the-kind", "some-package")
    assert find_program("sh", "dash", "/bin/sh") == "/bin/sh"


def test_a_program_that_ends_is_reported_with_its_last_words(tmp_path: Path) -> None:
    ended = pytest.raises(ProgramError, match=r"made ended with 3; its log .*port taken")
    with python(tmp_path, "print('port taken'); raise SystemExit(3)") as program, ended:
        program.wait_until(lambda: False, "answer", 30)


def test_a_program_that_never_answers_is_reported(tmp_path: Path) -> None:
    with python(tmp_path, "import time; time.sleep(60)") as program, pytest.raises(ProgramError, match="no answer"):
        program.wait_until(lambda: False, "answer", 0.5)


def test_leaving_stops_a_stubborn_program(tmp_path: Path) -> None:
    port = free_port()
    code = (
        "import signal, socket, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"s = socket.create_server(('127.0.0.1', {port})); time.sleep(60)"
    )
    program = python(tmp_path, code)
    program.wait_until(lambda: listens(port), "answer", 30)
    program.stop(grace=0.2)
    assert not listens(port)
    with pytest.raises(ProgramError, match=f"ended with {-signal.SIGKILL}"):
        program.check()


@pytest.mark.parametrize("columns", range(8, 17))
def test_widening_adds_air_on_the_right_only(tmp_path: Path, columns: int) -> None:
    (path,) = ct_series(tmp_path, shape=(1, 5, columns))
    before = dcmread(path)
    image = dcmread(path)
    widen(image)
    assert image.Columns % 8 == 0
    assert 0 <= image.Columns - columns < 8
    assert np.array_equal(image.pixel_array[:, :columns], before.pixel_array)
    assert (image.pixel_array[:, columns:] * image.RescaleSlope + image.RescaleIntercept == -1000).all()
    assert image.ImagePositionPatient == before.ImagePositionPatient
