"""A tiny store: chests of 24x40x40 voxels with one bright artery and one bright vein, made without the phantom."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.inference.made_bundle import write_random_bundle
from tests.training.tiny_preset import tiny_preset
from training.prepare import crop_centres
from training.recipe import Preset
from training.store import Case, split_of, write_case

torch.set_num_threads(1)  # networks this small lose more by waiting for a second core than they gain

CHROMIUM = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Arrays = dict[str, Any]
SHAPE = (24, 40, 40)
AFFINE = [[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]  # 1 mm, canonical orientation


def fake_arrays(seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    vessels = np.zeros(SHAPE, np.uint8)
    vessels[:, 10:13, 8:11], vessels[:, 25:28, 28:31] = 1, 2
    vnc = rng.normal(-850, 20, SHAPE)
    vnc[vessels > 0] = 40
    syn = vnc + 250 * (vessels > 0)
    images = {
        "ncct": vnc + rng.normal(0, 10, SHAPE),
        "vnc": vnc,
        "cect": vnc + 300 * (vessels > 0),
        "syn": syn,
    }
    arrays: Arrays = {key: image.astype(np.int16) for key, image in images.items()}
    levels = np.broadcast_to(np.arange(SHAPE[0])[:, None, None] // 6, SHAPE) * (vessels > 0)  # finer towards the head
    arrays |= {"vessels": vessels, "levels": levels.astype(np.uint8), "lungs": np.ones(SHAPE, np.uint8)}
    return arrays | crop_centres(arrays, seed)


def names(split: str, count: int) -> list[str]:
    """The first phantom names on one side of the split."""
    every = (f"phantom-{seed:07d}" for seed in range(10_000))
    return [name for name in every if split_of(name) == split][:count]


@pytest.fixture
def make_case(tmp_path: Path) -> Callable[[str, int], Case]:
    def make(name: str, seed: int) -> Case:
        return write_case(
            tmp_path / "store", name, fake_arrays(seed), {"source": "test", "seed": seed, "affine": AFFINE}
        )

    return make


@pytest.fixture
def store(tmp_path: Path, make_case: Callable[[str, int], Case]) -> Path:
    """Two cases to train on and one to validate on."""
    for seed, name in enumerate([*names("train", 2), *names("validation", 1)]):
        make_case(name, seed)
    return tmp_path / "store"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles under the names that the application looks for."""
    root = tmp_path_factory.mktemp("models")
    for task, name in (("synthesis", "contrast_synthesis"), ("segmentation", "vessel_segmentation")):
        write_random_bundle(root, task).rename(root / name)
    return root


@pytest.fixture(params=["synthesis", "segmentation"])
def preset(request: pytest.FixtureRequest) -> Preset:
    """A preset of each task with a one-layer network (and a one-layer adversary)."""
    return tiny_preset(request.param)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser without a window, shared by the tests of a module."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must have Chromium: install it (Debian and Ubuntu: the package chromium)")
        pytest.skip("Chromium is not installed (Debian and Ubuntu: the package chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM)
        yield browser
        browser.close()
