from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.tiny_preset import tiny_preset
from training.augment import degrade, draw_affine, slabs, warp
from training.batches import training_batch, validation_crops
from training.data import coarser, read_patch, segmentation_crop, synthesis_crop
from training.recipe import Augmentation, Preset
from training.store import Case

MakeCase = Callable[[str, int], Case]


@given(
    start=st.tuples(*[st.integers(-6, 12)] * 3),
    size=st.tuples(*[st.integers(1, 9)] * 3),
)
def test_a_patch_equals_the_padded_volume(start: tuple[int, int, int], size: tuple[int, int, int]) -> None:
    volume = np.arange(7 * 8 * 9).reshape(7, 8, 9)
    padded = np.pad(volume, 25, mode="edge")
    window = tuple(slice(s + 25, s + 25 + k) for s, k in zip(start, size, strict=True))
    patch = read_patch(volume, start, size)
    assert patch.shape == size
    assert np.array_equal(patch, padded[window])


def test_a_synthesis_crop_pairs_the_same_voxels(make_case: MakeCase) -> None:
    case, preset = make_case("a", 1), tiny_preset("synthesis")
    for seed in range(20):
        crop = synthesis_crop(case, preset, np.random.default_rng(seed), augment=False)
        assert crop["x"].shape == crop["y"].shape == (3, 16, 16)
        assert torch.allclose(crop["y"] - crop["x"], crop["gain"] / 1000, atol=1e-4)
        assert (crop["gain"] > 100).any(), "an aimed crop must hold enhanced voxels"


def test_a_segmentation_crop_labels_the_same_voxels(make_case: MakeCase) -> None:
    case, preset = make_case("a", 1), tiny_preset("segmentation")
    seen = set()
    for seed in range(20):
        crop = segmentation_crop(case, preset, np.random.default_rng(seed), augment=False)
        assert crop["x"].shape == (2, 16, 16, 16)
        assert torch.equal(crop["y"] > 0, crop["x"][1] > 0.1), "the Syn-CECT is bright exactly in the vessels"
        seen |= set(crop["y"].unique().tolist())
    assert seen == {0, 1, 2}


def test_augmented_labels_stay_on_the_vessels(make_case: MakeCase) -> None:
    case, preset = make_case("a", 1), tiny_preset("segmentation")
    preset = preset.model_copy(update={"augmentation": Augmentation(affine=1.0, noise=5, angle=20)})
    hit = total = 0
    for seed in range(10):
        crop = segmentation_crop(case, preset, np.random.default_rng(seed))
        vessel = crop["y"] > 0
        hit += (crop["x"][0][vessel] > -0.5).sum().item()
        total += vessel.sum().item()
    assert hit / total > 0.9


def test_the_same_step_draws_the_same_batch(make_case: MakeCase, preset: Preset) -> None:
    cases = [make_case("a", 1), make_case("b", 2)]
    first, again, later = (training_batch(cases, preset, step) for step in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["x"], later["x"])


@pytest.mark.parametrize("world", [2, 4])
def test_processes_share_out_the_batch_of_one(make_case: MakeCase, preset: Preset, world: int) -> None:
    cases, preset = [make_case("a", 1), make_case("b", 2)], preset.model_copy(update={"batch": 4})
    whole = training_batch(cases, preset, 3)
    shares = [training_batch(cases, preset, 3, rank, world) for rank in range(world)]
    for rank, share in enumerate(shares):
        assert all(torch.equal(share[key], whole[key][rank::world]) for key in whole)
    assert not torch.equal(shares[0]["x"], shares[1]["x"])


def test_validation_sees_the_case_unchanged(make_case: MakeCase, preset: Preset) -> None:
    case = make_case("a", 1)
    first, again = validation_crops(case, preset), validation_crops(case, preset)
    assert all(torch.equal(one["x"], other["x"]) for one, other in zip(first, again, strict=True))


def test_the_target_is_not_augmented(make_case: MakeCase) -> None:
    case = make_case("a", 1)
    preset = tiny_preset("synthesis").model_copy(update={"augmentation": Augmentation(affine=0), "plain": 0.0})
    crop = synthesis_crop(case, preset, np.random.default_rng(0))
    before = crop["y"] - crop["gain"] / 1000  # the NCCT as the scanner made it
    assert not torch.allclose(before, crop["x"], atol=1e-3)
    assert set((crop["y"] * 1000).round().int().unique().tolist()) <= set(np.unique(case.array("cect")).tolist())


def test_degrading_keeps_the_mean_within_shift_and_gain() -> None:
    settings = Augmentation(shift=15, gain=0.03, noise=25)
    image = np.full((8, 32, 32), 40.0, np.float32)
    for seed in range(30):
        changed = degrade(image, np.random.default_rng(seed), settings)
        assert abs(changed.mean() - 40) < 15 + 0.03 * 40 + 25 / np.sqrt(image.size) * 8
        assert changed.std() <= 25 * 1.05
    assert (image == 40).all(), "the input is left alone"


@given(size=st.integers(4, 40), seed=st.integers(0, 1000))
def test_thick_slices_are_means_of_their_neighbours(size: int, seed: int) -> None:
    settings = Augmentation(thick=1.0, thickness=3.0)
    weights = slabs(size, np.random.default_rng(seed), settings)
    assert weights is not None
    assert weights.shape == (size, size)
    assert weights.min() >= 0
    assert np.allclose(weights.sum(1), 1, atol=1e-5)
    inner = np.arange(4, size - 4)
    # a thin slice counts as a whole at its centre, which can move a slab's centre by an eighth of one
    assert np.allclose((weights @ np.arange(size))[inner], inner, atol=0.126), "a ramp stays where it is"
    across = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))[inner]
    assert not weights[inner][across > 4].any(), "nothing from beyond the two slabs around a slice"


def test_thin_slices_stay_and_draw_nothing() -> None:
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    assert slabs(16, rng, Augmentation()) is None
    assert rng.random() == other.random()


def test_slices_of_a_thick_crop_are_smooth_in_both_images(make_case: MakeCase) -> None:
    case, preset = make_case("a", 1), tiny_preset("segmentation")
    still = {"shift": 0.0, "gain": 0.0, "noise": 0.0, "blur": 0.0, "affine": 0.0, "thickness": 3.0}
    steps = []
    for thick in (0.0, 1.0):
        drawn = preset.model_copy(update={"augmentation": Augmentation(**still, thick=thick)})
        crops = [segmentation_crop(case, drawn, np.random.default_rng(seed))["x"] for seed in range(12)]
        steps.append(torch.stack([crop.diff(dim=1).square().mean((1, 2, 3)) for crop in crops]).mean(0))
    assert (steps[1] < 0.8 * steps[0]).all()


def test_no_change_is_the_identity() -> None:
    still = Augmentation(angle=0, scale=0)
    image = torch.rand(2, 6, 9, 12)
    matrix = draw_affine((6, 9, 12), np.random.default_rng(0), still)
    assert torch.allclose(warp(image, matrix), image, atol=1e-5)


def test_a_rotation_is_rigid_on_a_grid_that_is_not_square() -> None:
    turned = Augmentation(angle=30, scale=0)
    sizes = (40, 80)
    matrix = draw_affine(sizes, np.random.default_rng(4), turned)
    half = np.array(sizes[::-1]) / 2
    in_voxels = matrix[:, :2].numpy() * half[:, None] / half[None, :]
    assert np.allclose(in_voxels @ in_voxels.T, np.eye(2), atol=1e-6)
    assert np.linalg.det(in_voxels) == pytest.approx(1.0, abs=1e-6)


def test_labels_are_never_blended() -> None:
    labels = torch.zeros(1, 20, 20, dtype=torch.uint8)
    labels[0, 5:15, 5:15] = 2
    warped = warp(labels, draw_affine((20, 20), np.random.default_rng(1), Augmentation(angle=30)), labels=True)
    assert set(warped.unique().tolist()) == {0, 2}


def test_a_coarser_crop_keeps_vessels_where_they_are() -> None:
    labels = torch.zeros(1, 24, 24, 24, dtype=torch.uint8)
    labels[0, :, 3:12, 3:12], labels[0, :, 15:21, 15:21] = 1, 2
    images = torch.stack([(labels[0] > 0).float(), torch.ones(24, 24, 24)])
    small, coarse = coarser(images, labels, (16, 16, 16))
    assert coarse.dtype == torch.uint8
    assert torch.equal(coarse[0] > 0, small[0] >= 0.4)
    assert (coarse[0, :, 2:8, 2:8] == 1).all()
    assert (coarse[0, :, 10:14, 10:14] == 2).all()
    assert (coarse > 0).sum() == 16 * (6 * 6 + 4 * 4)
    assert torch.allclose(small[1], torch.ones(16, 16, 16))
