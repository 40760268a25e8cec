"""The super-resolution's way through the training door."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from highdicom import Volume
from pydantic import ValidationError

from pulmomap.case import Ncct
from pulmomap.imaging.thick_slices import slab_weights
from pulmomap.inference.thin_slices import open_slice_model, thin_slices
from tests.training.conftest import names
from training.export import export
from training.fit import Run
from training.recipe import Preset, load_preset
from training.store import Case, add_array
from training.thick import thick_crop
from training.thick_evaluation import covered, measure_thick, thickened
from training.validate import linear

MakeCase = Callable[[str, int], Case]


def preset(**changes: object) -> Preset:
    smoke = load_preset("i2sr", "smoke")
    return smoke.model_copy(update={"super_resolution": smoke.super_resolution.model_copy(update=changes)})


def test_thick_and_thin_are_of_one_place(tmp_path: Path, make_case: MakeCase) -> None:
    """On a ramp of 10 HU a slice, a thick slice has the value of its centre, to a tenth of a thin slice."""
    case = make_case("a", 1)
    ramp = np.broadcast_to(np.arange(24)[:, None, None] * 10 - 500, case.shape).astype(np.int16)
    case = add_array(case, "ncct", ramp)
    for seed in range(20):
        crop = thick_crop(case, preset(ratio=(2.0, 2.4)), np.random.default_rng(seed), augment=False)
        assert crop["x"].shape == (6, 16, 16)
        assert crop["y"].shape == (8, 16, 16)
        assert 0 <= crop["place"].min() <= crop["place"].max() <= 5
        torch.testing.assert_close(linear(crop["x"], crop["place"]), crop["y"], atol=1e-3, rtol=0)


def test_noise_is_averaged_and_the_truth_has_none(make_case: MakeCase) -> None:
    """On a constant scan everything that varies is noise; four slices' mean has less of it than two slices'."""
    case = add_array(make_case("a", 1), "ncct", np.zeros((24, 40, 40), np.int16))
    spread = {}
    for ratio in (2.0, 3.5):
        settings = preset(ratio=(ratio, ratio), thickness=(1.0, 1.0))
        crops = [thick_crop(case, settings, np.random.default_rng(seed)) for seed in range(40)]
        assert not any(crop["y"].any() for crop in crops)
        spread[ratio] = torch.stack([crop["x"] for crop in crops]).std().item()
        assert not thick_crop(case, settings, np.random.default_rng(0), augment=False)["x"].any()
    assert 0.002 < spread[3.5] < 0.9 * spread[2.0] < 0.025


def test_thin_slices_that_do_not_fit_are_refused() -> None:
    smoke = load_preset("i2sr", "smoke").model_dump()
    smoke["crop"]["size"] = (11, 16, 16)
    with pytest.raises(ValidationError, match="11 thin slices do not fit between 6 thick ones at a ratio of 2"):
        Preset.model_validate(smoke)


def test_a_thickened_scan_keeps_its_place(make_case: MakeCase) -> None:
    array = np.broadcast_to(np.arange(24.0)[:, None, None], (24, 3, 3))
    thin = Volume(array, np.array([[0, 0, 1, 3], [0, 1, 0, 4], [1.0, 0, 0, 50], [0, 0, 0, 1]]), "PATIENT")
    thick = thickened(thin, 2.5)
    assert thick.spacing[0] == 2.5
    heights = thick.affine[2, 3] + thick.affine[2, 0] * np.arange(len(thick.array))
    np.testing.assert_allclose(thick.array[:, 0, 0], heights - 50, atol=1e-4)
    assert covered(thick, thin) == list(range(2, 22)), "centres from 1.5 to 21.5"


def test_the_recipe_trains_is_exported_and_measured(tmp_path: Path, store: Path, make_case: MakeCase) -> None:
    run = Run(load_preset("i2sr", "smoke"), store, tmp_path / "run")
    figures = run.train()
    assert figures["model_mae"] == pytest.approx(figures["linear_mae"], rel=0.05), "four steps from linear"
    export(run.folder, tmp_path / "slice_interpolation", "0.1.0")
    model = open_slice_model(tmp_path / "slice_interpolation")
    x, place = torch.rand(6, 16, 16), torch.linspace(1, 4, 8)
    expected = run.loop.predict(x, place).numpy()
    np.testing.assert_allclose(model(x[None].numpy(), place[None].numpy())[0], expected, atol=1e-5)
    rows = measure_thick([make_case("b", 2)], [2.0, 3.0], model)
    assert set(rows) == {"linear, 2 mm", "I2SR, 2 mm", "linear, 3 mm", "I2SR, 3 mm"}
    assert rows["I2SR, 2 mm"][0]["psnr"] == pytest.approx(rows["linear, 2 mm"][0]["psnr"], abs=1)
    assert rows["linear, 3 mm"][0]["psnr"] < rows["linear, 2 mm"][0]["psnr"]


def test_what_thick_slices_cost_the_vessel_map(make_case: MakeCase) -> None:
    """A vessel of two slices, seen by a threshold: found in thin slices, lost in slices of four."""
    case = make_case("a", 1)
    vessels = np.zeros(case.shape, np.uint8)
    vessels[10:12, 4:8, 4:8], vessels[4:20, 20:24, 20:24] = 1, 2
    case = add_array(case, "vessels", vessels)
    case = add_array(case, "ncct", np.where(vessels > 0, 40, -900).astype(np.int16))

    def bright_is_vessel(ncct: Ncct) -> np.ndarray:
        return np.where(np.asarray(ncct.volume.array) > -100, np.where(np.arange(40) < 12, 1, 2), 0).astype(np.uint8)

    rows = measure_thick([case], [4.0], None, bright_is_vessel, refine=lambda thick, _: thick)
    assert (rows["thin slices"][0]["dice_pa"], rows["thin slices"][0]["dice_pv"]) == (1.0, 1.0)
    assert rows["linear, 4 mm"][0]["dice_pa"] == 0.0
    assert 0.8 < rows["linear, 4 mm"][0]["dice_pv"] < 1.0
    assert rows["I2SR, 4 mm"] == rows["linear, 4 mm"], "it was not refined"


def test_training_beats_the_linear_interpolation(tmp_path: Path, make_case: MakeCase) -> None:
    """Waves of six slices, which thick slices flatten by a quarter and a linear interpolation by more."""
    for seed, name in enumerate([*names("train", 2), *names("validation", 1)]):
        case = make_case(name, seed)
        wave = 200 * np.cos(2 * np.pi * (np.arange(case.shape[0]) + seed) / 6)
        add_array(case, "ncct", np.broadcast_to(wave[:, None, None], case.shape).astype(np.int16))
    smoke = preset(ratio=(2.0, 2.0), thickness=(1.0, 1.0), vesselness_weight=0.0)
    changes = {
        "steps": 150,
        "augmentation": smoke.augmentation.model_copy(update={"noise": 0.0}),
        "optimiser": smoke.optimiser.model_copy(update={"lr": 1e-2, "warmup": 5}),
    }
    figures = Run(smoke.model_copy(update=changes), tmp_path / "store", tmp_path / "run").train()
    assert figures["linear_mae"] > 40
    assert figures["model_mae"] < 0.5 * figures["linear_mae"]


def test_weights_are_shared_by_crop_and_evaluation() -> None:
    assert slab_weights(np.array([2.0]), 2.0, 5)[0].tolist() == [0, 0.25, 0.5, 0.25, 0]


def test_refining_the_whole_scan_gives_slices_of_one_millimetre(tmp_path: Path, store: Path) -> None:
    run = Run(load_preset("i2sr", "smoke").model_copy(update={"steps": 1}), store, tmp_path / "run")
    run.train()
    export(run.folder, tmp_path / "slice_interpolation", "0.1.0")
    thick = Volume(np.zeros((6, 8, 8), np.float32), np.diag([4.0, 1, 1, 1])[[2, 1, 0, 3]], "PATIENT")
    assert thin_slices(thick, open_slice_model(tmp_path / "slice_interpolation")).array.shape == (24, 8, 8)
