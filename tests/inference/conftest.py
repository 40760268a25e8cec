"""Bundles of small random networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch

from tests.inference.made_bundle import KINDS, PREPROCESSING, WriteBundle, random_network


@pytest.fixture
def write_bundle(tmp_path: Path) -> WriteBundle:
    """Writes a bundle of a task; keyword arguments replace sections of inference.json."""

    def write(task: str, **sections: Any) -> Path:
        kind = KINDS[task]
        folder = tmp_path / "models" / task
        for name in ("configs", "models"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        metadata = {
            "schema": "https://example.org/meta.json",
            "name": f"tiny_{task}",
            "version": "0.1.2",
            "task": task,
            "description": "a test",
            "data": {"summary": "Nothing at all.", "seeds": "1-3"},
        }
        config = {"network_def": kind["network"], "preprocessing": PREPROCESSING, "inference": kind["inference"]}
        (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
        (folder / "configs" / "inference.json").write_text(json.dumps(config | sections))
        safetensors.torch.save_file(random_network(task).state_dict(), folder / "models" / "model.safetensors")
        return folder

    return write
