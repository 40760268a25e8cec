"""Levels of vessels: the phantom's own, those by calibre, and how they come into a crop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pulmomap.phantom.truth import LABELS
from training.__main__ import main
from training.batches import needs
from training.cases import Cases
from training.data import coarser, segmentation_crop
from training.fit import Run
from training.levels import UNKNOWN, calibre_levels, phantom_levels
from training.recipe import load_preset
from training.store import Case, StoreError, read_case, write_case


def test_the_phantoms_levels_by_name() -> None:
    named = {name: value for name, value in LABELS.items() if "_level" in name}
    assert len(named) == 8
    for name, value in named.items():
        vessels = np.array([1 if "artery" in name else 2], np.uint8)
        assert phantom_levels(np.array([value], np.uint8), vessels)[0] == int(name[-1])
    lumen = np.array([LABELS["airway_lumen"]], np.uint8)
    assert phantom_levels(lumen, np.array([1], np.uint8))[0] == UNKNOWN
    assert phantom_levels(lumen, np.array([0], np.uint8))[0] == 0


@pytest.mark.parametrize("spacing", [1.0, 0.5])
def test_calibres(spacing: float) -> None:
    """Four tubes of known radius, arteries and veins."""
    radii = (7.0, 4.0, 2.0, 1.0)
    size = [int(24 / spacing), int(24 / spacing), int(80 / spacing)]
    vessels = np.zeros(size, np.uint8)
    y, x = np.ogrid[: size[1], : size[2]]
    for number, radius in enumerate(radii):
        tube = np.hypot(y * spacing - 12, x * spacing - (12 + 20 * number)) <= radius
        vessels[:, tube] = 1 + number % 2
    levels = calibre_levels(vessels, spacing)
    for number in range(4):
        part = np.s_[
            int(8 / spacing) : -int(8 / spacing),
            :,
            int((3 + 20 * number) / spacing) : int((21 + 20 * number) / spacing),
        ]
        found = levels[part][vessels[part] > 0]
        assert (found == number).mean() > 0.95
    assert not levels[vessels == 0].any()


def test_the_command_fills_in_what_is_missing(tmp_path: Path, make_case: Callable[[str, int], Case]) -> None:
    case = make_case("phantom-0000001", 1)
    arrays = {name: np.asarray(case.array(name)) for name in ("ncct", "vessels")}
    write_case(tmp_path / "store", "phantom-0000002", arrays, {"spacing_mm": 1.0})
    before = case.meta["arrays"]["levels"]["blake2b"]
    assert main(["prepare", "levels", "--data", str(tmp_path / "store")]) == 0
    added = read_case(tmp_path / "store" / "phantom-0000002")
    assert added.meta["levels_by"] == "calibre"
    assert np.array_equal(added.array("levels"), calibre_levels(arrays["vessels"], 1.0))
    assert read_case(case.folder).meta["arrays"]["levels"]["blake2b"] == before


def test_a_store_without_levels_is_refused_with_the_word(tmp_path: Path, make_case: Callable[[str, int], Case]) -> None:
    case = make_case("phantom-0000001", 1)
    arrays = {name: np.asarray(case.array(name)) for name in ("ncct", "cect", "vessels", "aims")}
    write_case(tmp_path / "old", "phantom-0000001", arrays, {})
    preset = load_preset("hipas", "smoke")
    with pytest.raises(StoreError, match="levels"):
        Cases(tmp_path / "old", needs(preset))
    with pytest.raises(StoreError, match="levels"):
        Run(preset, tmp_path / "old", tmp_path / "run")


def test_a_crop_brings_its_levels_and_centre_lines(make_case: Callable[[str, int], Case]) -> None:
    case = make_case("a", 1)
    preset = load_preset("hipas", "smoke")
    preset = preset.model_copy(update={"crop": preset.crop.model_copy(update={"size": (16, 16, 16)})})
    for seed in range(5):
        plain = segmentation_crop(case, preset, np.random.default_rng(seed), augment=False)
        expected = plain["level"].amax((1, 2))[plain["y"].amax((1, 2)) > 0]
        assert expected.diff().ge(0).all(), "levels rise towards the head as they were drawn"
        crop = segmentation_crop(case, preset, np.random.default_rng(seed))
        assert not crop["level"][crop["y"] == 0].any()
        assert torch.equal(crop["skeleton"] > 0, (crop["skeleton"] == crop["y"]) & (crop["y"] > 0))
        assert (crop["skeleton"] > 0).any()


def test_a_coarser_voxel_has_the_level_of_most_of_its_vessel() -> None:
    labels = torch.zeros(2, 4, 4, 4, dtype=torch.uint8)
    labels[0, :, :, :2] = 1
    labels[1, :2, :, :2], labels[1, 2:, :, :2] = 3, 1
    _, small = coarser(torch.zeros(1, 4, 4, 4), labels, (2, 2, 2))
    assert small[0].tolist() == [[[1, 0], [1, 0]]] * 2
    assert small[1].tolist() == [[[3, 0], [3, 0]], [[1, 0], [1, 0]]]
