"""Shared by the DICOM tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def odd_data() -> Path:
    """The folder of odd DICOM files beside the repository."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "odd"
    if not folder.is_dir():
        pytest.skip("the odd DICOM files of the toolkits' test suites are not part of the repository")
    return folder
