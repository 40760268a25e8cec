"""Synthesis: the enhancement lands where it belongs and everything else stays the scan."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pulmomap.case import Ncct
from pulmomap.inference.bundle import load_synthesis_bundle
from pulmomap.inference.synthesis import ContrastModel, SynthesisSettings, open_contrast_model, synthesise
from tests.inference.made_bundle import WriteBundle, affine_of, make_scan

Floats = NDArray[np.float32]
LUNG = (slice(8, 30), slice(9, 31), slice(8, 33))


class Pointwise:
    """Stands for a network whose answer at a voxel depends on that voxel alone."""

    title = "test"

    def __init__(self, answer: Callable[[Floats], Floats]) -> None:
        self.answer, self.shapes = answer, set[tuple[int, ...]]()

    def __call__(self, batch: Floats) -> Floats:
        self.shapes.add(batch.shape)
        return self.answer(batch).astype(np.float32)


EVERYWHERE = SynthesisSettings(only_between_lungs=False)


def model_of(
    write_bundle: WriteBundle, answer: Callable[[Floats], Floats], settings: SynthesisSettings | None = None
) -> ContrastModel:
    return ContrastModel(load_synthesis_bundle(write_bundle("synthesis")), Pointwise(answer), settings or EVERYWHERE)


def noise(shape: tuple[int, int, int] = (40, 42, 44), low: float = -1200, high: float = 3500) -> Any:
    return np.random.default_rng(0).uniform(low, high, shape).astype(np.float32)


def constant(batch: Floats) -> Floats:
    return np.full_like(batch, 0.2)


def tenth(batch: Floats) -> Floats:
    return batch * np.float32(0.1)


def test_no_enhancement_gives_the_scan(write_bundle: WriteBundle) -> None:
    scan = make_scan(noise(), affine_of((1.25, 0.7, 0.8)), LUNG)
    syn = synthesise(scan, model_of(write_bundle, np.zeros_like))
    assert syn.volume.array.dtype == np.int16
    assert np.array_equal(syn.volume.array, np.rint(np.clip(scan.volume.array, -1024, 3071)))
    assert np.array_equal(syn.volume.affine, scan.volume.affine)
    assert syn.volume.frame_of_reference_uid == scan.volume.frame_of_reference_uid
    assert syn.model.name == "tiny_synthesis"
    assert syn.ncct is scan


def test_enhancement_fills_the_box_and_fades_at_its_faces(write_bundle: WriteBundle) -> None:
    spacing = (2.0, 1.0, 0.5)
    scan = make_scan(np.full((40, 42, 60), -500.0), affine_of(spacing), (slice(8, 30), slice(9, 31), slice(20, 44)))
    added = synthesise(scan, model_of(write_bundle, constant)).volume.array + 500
    box = (slice(6, 32), slice(5, 35), slice(12, 52))  # the lung and 4 mm around it
    outside = np.ones(added.shape, bool)
    outside[box] = False
    assert not added[outside].any()
    assert (added[9:29, 10:30, 22:42] == 200).all()
    for axis, step in enumerate(spacing):
        line = np.moveaxis(added, axis, 0)[:, 20 if axis else 21, 30 if axis < 2 else 20]
        assert line.max() == 200
        assert np.abs(np.diff(line)).max() <= 200 * step / 5 + 1


def test_enhancement_does_not_fade_where_the_scan_ends(write_bundle: WriteBundle) -> None:
    scan = make_scan(np.full((20, 24, 24), -500.0), affine_of((1, 1, 1)), (slice(2, 20), slice(2, 22), slice(2, 22)))
    assert (synthesise(scan, model_of(write_bundle, constant)).volume.array == -300).all()


def test_result_is_clipped_to_what_a_ct_holds(write_bundle: WriteBundle) -> None:
    scan = make_scan(np.full((20, 20, 20), 3000.0), affine_of((1, 1, 1)), (slice(0, 20),) * 3)
    assert (synthesise(scan, model_of(write_bundle, constant)).volume.array == 3071).all()
    assert (synthesise(scan, model_of(write_bundle, lambda x: np.full_like(x, -9.0))).volume.array == -1024).all()


def test_network_sees_clipped_hu_in_its_own_units(write_bundle: WriteBundle) -> None:
    seen: list[Floats] = []

    def look(batch: Floats) -> Floats:
        seen.append(batch.copy())
        return np.zeros_like(batch)

    scan = make_scan(noise(), affine_of((1, 1, 1)), (slice(0, 40), slice(0, 42), slice(0, 44)))
    synthesise(scan, model_of(write_bundle, look))
    stacks = np.concatenate(seen)
    assert stacks.dtype == np.float32
    assert stacks.shape[2:] == (44, 44)  # rows filled up to a multiple of the stride
    expected = np.clip(scan.volume.array, -1000, 1000) / 1000
    np.testing.assert_allclose(stacks[:40, 1, :42], expected, atol=1e-6)
    np.testing.assert_allclose(stacks[1:40, 0, :42], expected[:-1], atol=1e-6)
    np.testing.assert_allclose(stacks[:39, 2, :42], expected[1:], atol=1e-6)
    assert np.array_equal(stacks[:40, 1, 42], stacks[:40, 1, 41])


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_batches_of_one_shape_and_progress(batch: int, write_bundle: WriteBundle) -> None:
    scan = make_scan(noise(), affine_of((1, 1, 1)), LUNG)
    model = model_of(write_bundle, tenth, EVERYWHERE.model_copy(update={"batch": batch}))
    told: list[float] = []
    syn = synthesise(scan, model, told.append)
    assert told == sorted(told)
    assert told[-1] == 1
    assert isinstance(model.runtime, Pointwise)
    assert len(model.runtime.shapes) == 1
    assert np.array_equal(syn.volume.array, synthesise(scan, model_of(write_bundle, tenth)).volume.array)


def layouts() -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    return [(order, flips) for order in permutations(range(3)) for flips in product((1, -1), repeat=3)]


def turned(scan: Ncct, order: tuple[int, ...], flips: tuple[int, ...]) -> Ncct:
    """The same scan with its axes permuted and flipped: what another scanner would have written."""

    def turn(volume: Any) -> Any:
        flipped = [axis for axis, sign in enumerate(flips) if sign < 0]
        volume = volume.flip_spatial(flipped) if flipped else volume
        return volume.permute_spatial_axes(order)

    return Ncct(scan.series, turn(scan.volume), turn(scan.lungs))


@pytest.mark.parametrize("settings", [EVERYWHERE, SynthesisSettings()])
def test_all_48_layouts_give_the_same_image(settings: SynthesisSettings, write_bundle: WriteBundle) -> None:
    scan = make_scan(noise((24, 20, 22), -1000, 1000), affine_of((1.3, 0.8, 0.7)), (slice(6, 18),) * 3)
    model = model_of(write_bundle, tenth, settings)
    expected = synthesise(scan, model).volume
    assert (expected.array != np.rint(scan.volume.array)).any()
    for order, flips in layouts():
        syn = synthesise(turned(scan, order, flips), model).volume
        back = syn.match_geometry(expected)
        assert np.abs(back.array.astype(int) - expected.array).max() <= 1, (order, flips)


def test_what_lies_beside_the_lungs_stays_dark_by_default(write_bundle: WriteBundle) -> None:
    scan = make_scan(np.zeros((40, 60, 60)), affine_of((1, 1, 1)), (slice(8, 32), slice(20, 40), slice(20, 40)))
    gain = synthesise(scan, model_of(write_bundle, lambda x: np.full_like(x, 0.2), SynthesisSettings())).volume.array
    assert (gain[9:31, 21:39, 21:39] == 200).all()
    assert not gain[:, :14].any()
    assert not gain[:2].any()
    fall = gain[20, 10:21, 30]
    assert (np.diff(fall.astype(int)) >= 0).all()
    assert 0 < fall[7] < 200


def test_a_bright_spot_is_enhanced_where_it_lies(write_bundle: WriteBundle) -> None:
    affine = affine_of((1.25, 0.7, 0.8))
    hu = np.full((40, 60, 60), -800.0)
    hu[20:23, 30:34, 41:45] = 600.0
    scan = make_scan(hu, affine, (slice(8, 32), slice(10, 50), slice(10, 52)))
    model = model_of(write_bundle, lambda x: np.where(x > 0, 0.3, 0.0))
    gain = synthesise(scan, model).volume.array - hu
    centre = np.array([np.average(index, weights=gain) for index in np.indices(gain.shape)])
    assert np.linalg.norm((affine @ [*centre, 1] - affine @ [21, 31.5, 42.5, 1])[:3]) < 0.3  # mm


def test_resolution_and_noise_of_the_scan_stay(write_bundle: WriteBundle) -> None:
    """Resampling the image itself to 1 mm and back would blur 0.5 mm noise away."""
    scan = make_scan(
        np.rint(noise((40, 60, 60), -900, 900)), affine_of((1.0, 0.5, 0.5)), (slice(8, 32), slice(0, 60), slice(0, 60))
    )
    syn = synthesise(scan, model_of(write_bundle, constant)).volume.array
    assert np.array_equal(syn[14:26], scan.volume.array[14:26] + 200)


def test_same_scan_same_bytes(write_bundle: WriteBundle) -> None:
    scan = make_scan(noise(low=-1000, high=300), affine_of((1.25, 0.7, 0.8)), LUNG)
    folder = write_bundle("synthesis")
    results = [synthesise(scan, open_contrast_model(folder, device="cpu", threads=2)) for _ in range(2)]
    first, second = (result.volume.array.tobytes() for result in results)
    assert first == second
    assert (results[0].volume.array != np.rint(scan.volume.array)).any()
