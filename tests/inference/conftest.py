"""Bundles of small random networks."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.inference.made_bundle import WriteBundle, write_random_bundle


@pytest.fixture
def write_bundle(tmp_path: Path) -> WriteBundle:
    """Writes a bundle of a task; keyword arguments replace sections of inference.json."""
    return partial(write_random_bundle, tmp_path / "models")
