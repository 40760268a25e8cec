"""Shared by all tests: where the real data lies, and when its absence may be skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the unpacked real CT series (see CONTRIBUTING.md)."""
    folder = os.environ.get("PULMOMAP_REAL_DATA")
    if not folder:
        pytest.skip("real CT is not part of the repository; set PULMOMAP_REAL_DATA to the folder that holds it")
    return Path(folder)
