"""From contrast CT to non-contrast CT: train on what is enhanced, go on with what was made of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from training.data import segmentation_crop
from training.fit import Run
from training.recipe import Augmentation, Preset, load_preset
from training.store import Case

STILL = Augmentation(shift=0, gain=0, noise=0, blur=0, affine=0)


def of(recipe: str, preset: str) -> Preset:
    """A preset's data and optimiser on the smoke network, with nothing random in the image."""
    smoke, chosen = load_preset(recipe, "smoke"), load_preset(recipe, preset)
    return smoke.model_copy(
        update={
            "enhanced": chosen.enhanced,
            "plain": chosen.plain,
            "optimiser": chosen.optimiser,
            "augmentation": STILL,
            "crop": smoke.crop.model_copy(update={"size": (16, 16, 16), "zoom": 1.0, "aimed": 1.0}),
        }
    )


@pytest.mark.parametrize("recipe", ["vessel_segmentation", "hipas"])
def test_first_the_contrast_then_the_non_contrast_made_of_it(
    recipe: str, make_case: Callable[[str, int], Case]
) -> None:
    case = make_case("a", 1)
    for seed in range(8):
        crop = segmentation_crop(case, of(recipe, "enhanced"), np.random.default_rng(seed))
        vessel = crop["y"] > 0
        assert torch.equal(crop["x"][0], crop["x"][1])
        assert crop["x"][0][vessel].min() > 0.3, "40 HU + 300 HU"
        crop = segmentation_crop(case, of(recipe, "transfer"), np.random.default_rng(seed))
        assert (crop["x"][0][crop["y"] > 0] == 0.04).all(), "the VNC, which has no noise there"


def test_validation_stays_on_the_non_contrast_scan(make_case: Callable[[str, int], Case]) -> None:
    case = make_case("a", 1)
    crops = [
        segmentation_crop(case, of("vessel_segmentation", preset), np.random.default_rng(0), augment=False)["x"]
        for preset in ("recommended", "enhanced", "transfer")
    ]
    assert torch.equal(crops[0], crops[1])
    assert torch.equal(crops[0], crops[2])


def test_the_second_half_starts_from_the_first(tmp_path: Path, store: Path) -> None:
    first = Run(of("vessel_segmentation", "enhanced"), store, tmp_path / "first")
    first.train()
    second = Run(of("vessel_segmentation", "transfer"), store, tmp_path / "second", weights=tmp_path / "first")
    average = first.loop.average.module.state_dict()
    assert all(torch.equal(value, average[name]) for name, value in second.loop.network.module.state_dict().items())
    assert second.preset.optimiser.lr < first.preset.optimiser.lr
    second.train()


def test_an_older_preset_draws_the_crops_it_always_drew(make_case: Callable[[str, int], Case]) -> None:
    """A share of zero takes nothing from the random generator."""
    case = make_case("a", 1)
    preset = of("vessel_segmentation", "recommended")
    assert preset.enhanced == 0
    rng, other = np.random.default_rng(5), np.random.default_rng(5)
    segmentation_crop(case, preset, rng)
    segmentation_crop(case, preset.model_copy(update={"enhanced": 1e-12}), other)
    assert rng.random() != other.random()
