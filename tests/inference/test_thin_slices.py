"""Thin slices from thick ones: the linear interpolation as oracle, runs, tiles, geometry."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from highdicom import Volume
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pulmomap.imaging.resampling import resample_image
from pulmomap.inference.bundle import BundleError
from pulmomap.inference.thin_slices import HALO, open_slice_model, refine, run_starts, thin_slices
from pulmomap.networks.i2sr import I2sr, interpolate

torch.set_num_threads(1)
Floats = NDArray[np.float32]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """An untrained network: the linear interpolation."""
    network = {"_target_": "pulmomap.networks.i2sr.I2sr", "width": 2, "fusions": 1}
    config = {
        "network_def": network,
        "preprocessing": {
            "orientation": "HPL",
            "spacing_mm": [1, 1, 1],
            "clip_hu": [-1000, 1000],
            "scale_hu": 1000,
        },
        "inference": {"thick": 6, "thin": 8, "tile": 12},
    }
    metadata = {
        "name": "slice_interpolation",
        "version": "0.0.1",
        "task": "super_resolution",
        "description": "a test",
        "data": {"summary": "Nothing."},
    }
    for folder in ("configs", "models"):
        (tmp_path / folder).mkdir()
    (tmp_path / "configs" / "inference.json").write_text(json.dumps(config))
    (tmp_path / "configs" / "metadata.json").write_text(json.dumps(metadata))
    safetensors.torch.save_file(I2sr(2, 1).state_dict(), tmp_path / "models" / "model.safetensors")
    return tmp_path


def scan(step: float, layout: tuple[int, int, int] = (0, 1, 2)) -> Volume:
    array = np.random.default_rng(0).uniform(-900, 300, (9, 14, 16)).astype(np.float32)
    affine = np.array([[0, 0, 0.7, -20], [0, 0.7, 0, 5], [step, 0, 0, 100], [0, 0, 0, 1.0]])
    volume = Volume(array, affine, coordinate_system="PATIENT")
    return volume.permute_spatial_axes(layout)


@pytest.mark.parametrize("step", [1.25, 2.0, 2.5, 5.0])
@pytest.mark.parametrize("layout", [(0, 1, 2), (2, 0, 1)])
def test_an_untrained_network_interpolates_linearly(bundle: Path, step: float, layout: tuple[int, int, int]) -> None:
    volume = scan(step, layout)
    fine = thin_slices(volume, open_slice_model(bundle))
    assert fine.spacing[0] == pytest.approx(1.0)
    assert fine.array.shape == (int(np.ceil(9 * step)), 14, 16)
    expected = resample_image(volume, fine, fill=0.0)
    inside = slice(int(np.ceil(step / 2)), -int(np.ceil(step / 2)))  # beyond the outermost centres both hold the value
    np.testing.assert_allclose(fine.array[inside], expected.array[inside], atol=0.02)


def test_runs_give_what_the_whole_gives_when_the_network_sees_no_run() -> None:
    thick = np.random.default_rng(1).normal(size=(10, 5, 6)).astype(np.float32)
    places = np.linspace(-0.4, 9.4, 41).astype(np.float32)

    def predict(seen: Floats, where: Floats) -> Floats:
        assert where.min() >= 0
        assert where.max() <= seen.shape[1] - 1
        return interpolate(torch.from_numpy(seen)[:, None], torch.from_numpy(where))[:, 0].numpy()

    expected = interpolate(torch.from_numpy(thick)[None, None], torch.from_numpy(places)[None])[0, 0].numpy()
    np.testing.assert_allclose(refine(thick, places, predict, 6, 8, 4), expected, atol=1e-5)


def test_tiles_leave_no_seams(bundle: Path) -> None:
    torch.manual_seed(0)
    network = I2sr(width=2, fusions=6).eval()
    torch.nn.init.normal_(network.output.weight, std=0.1)

    def predict(seen: Floats, where: Floats) -> Floats:
        with torch.no_grad():
            answer: Floats = network(torch.from_numpy(seen)[:, None], torch.from_numpy(where))[:, 0].numpy()
        return answer

    thick = np.random.default_rng(1).normal(size=(4, 8, 100)).astype(np.float32)
    places = np.arange(0, 3, 0.5).astype(np.float32)
    whole = refine(thick, places, predict, 4, 6, 100)
    tiled = refine(thick, places, predict, 4, 6, 40)
    assert HALO < 40
    np.testing.assert_allclose(tiled, whole, atol=1e-5)
    assert np.abs(whole - refine(thick, places, lambda s, w: predict(s * 0, w), 4, 6, 100)).max() > 0.1


@given(st.integers(1, 200), st.integers(1, 12))
def test_runs_cover_all_and_share_half(count: int, run: int) -> None:
    length = min(run, count)
    starts = run_starts(count, length)
    covered = {start + k for start in starts for k in range(length)}
    assert covered == set(range(count))
    assert all(after - before <= max(length // 2, 1) for before, after in pairwise(starts))


def test_what_cannot_be_refined_is_refused(bundle: Path) -> None:
    with pytest.raises(ValueError, match=r"9 slices 0\.80 mm apart"):
        thin_slices(scan(0.8), open_slice_model(bundle))


def test_another_bundle_is_named(bundle: Path) -> None:
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    (bundle / "configs" / "metadata.json").write_text(json.dumps(metadata | {"task": "segmentation"}))
    with pytest.raises(BundleError, match=r"inference\.json"):
        open_slice_model(bundle)
    for models in Path("models").glob("vessel_segmentation"):
        with pytest.raises(BundleError, match="super_resolution is needed"):
            open_slice_model(models)
