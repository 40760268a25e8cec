"""nnU-Net's data, presets and checkpoints, without nnU-Net: what it reads and what we make of what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import torch
from highdicom import Volume

from pulmomap.case import SynCect
from pulmomap.inference.bundle import load_segmentation_bundle
from pulmomap.inference.segmentation import open_vessel_model, probabilities, segment
from tests.inference.made_bundle import affine_of, make_scan
from tests.training.made_evaluation import NOBODY
from tests.training.made_nnunet import PATCH, write_model
from training.__main__ import main
from training.nnunet.dataset import NAME, add_case, export_store, splits
from training.nnunet.fit import changed
from training.nnunet.preset import load_nnunet_preset
from training.nnunet.programs import VARIABLE
from training.nnunet.trained import read_trained
from training.recipe import RecipeError, load_preset
from training.store import StoreError, case_folders, read_case, split_of


def test_nnunet_reads_our_arrays(store: Path, tmp_path: Path) -> None:
    """By SimpleITK, as nnU-Net does: slices, rows, columns as they stand in the store, and one grid for all."""
    dataset = tmp_path / NAME
    cases = export_store(store, dataset, "syn")
    content = json.loads((dataset / "dataset.json").read_text())
    assert content["numTraining"] == len(cases.names) == 3
    assert content["channel_names"] == {"0": "CT", "1": "CT"}
    case = read_case(case_folders(store)[0])
    images = [SimpleITK.ReadImage(str(dataset / "imagesTr" / f"{case.name}_000{channel}.nii.gz")) for channel in (0, 1)]
    images.append(SimpleITK.ReadImage(str(dataset / "labelsTr" / f"{case.name}.nii.gz")))
    for image, name in zip(images, ("ncct", "syn", "vessels"), strict=True):
        assert np.array_equal(SimpleITK.GetArrayFromImage(image), case.array(name))
        assert image.GetDirection() == pytest.approx((1, 0, 0, 0, 1, 0, 0, 0, 1))


def test_any_orientation_reaches_nnunet_as_ours(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    volume = Volume(rng.integers(-1000, 1000, (4, 5, 6)).astype(np.int16), affine_of((2.0, 0.7, 0.8)), "PATIENT")
    turned = volume.flip_spatial([0, 2]).permute_spatial_axes((2, 0, 1))
    vessels = turned.with_array((np.asarray(turned.array) > 900).astype(np.uint8))
    add_case(tmp_path, "one", {"NCCT": turned, "CECT": turned}, vessels)
    image = SimpleITK.ReadImage(str(tmp_path / "imagesTr" / "one_0001.nii.gz"))
    assert np.array_equal(SimpleITK.GetArrayFromImage(image), volume.array)
    assert image.GetSpacing() == pytest.approx((0.8, 0.7, 2.0))
    assert image.GetOrigin() == pytest.approx(np.asarray(volume.affine)[:3, 3])
    with pytest.raises(ValueError, match="lies on the grid"):
        add_case(tmp_path, "two", {"NCCT": volume, "CECT": volume}, vessels)


def test_a_patient_stays_on_one_side(store: Path) -> None:
    names = [path.name for path in case_folders(store)]
    (fold,) = splits(names)
    assert sorted(fold["train"] + fold["val"]) == names
    assert {split_of(name) for name in fold["val"]} == {"validation"}
    (store.parent / "empty").mkdir()
    with pytest.raises(StoreError, match="no train case with ncct, vessels, cect"):
        export_store(store.parent / "empty", store.parent / "out", "cect")


def test_presets_change_the_plan_together_or_not_at_all() -> None:
    smoke, paper = load_nnunet_preset("nnunet", "smoke"), load_nnunet_preset("nnunet", "paper")
    assert (paper.epochs, paper.iterations, paper.patch, paper.features) == (1000, 250, None, None)
    assert smoke.steps == 4 < load_nnunet_preset("nnunet", "recommended").steps < paper.steps
    arguments = {"n_conv_per_stage": [2] * 6, "n_conv_per_stage_decoder": [2] * 5, "conv_bias": True}
    planned = {"architecture": {"arch_kwargs": arguments}, "patch_size": [128] * 3, "batch_size": 2}
    plans = changed({"configurations": {"3d_fullres": planned}}, smoke)["configurations"]["3d_fullres"]
    assert plans["patch_size"] == [16, 16, 16]
    assert plans["architecture"]["arch_kwargs"] == {
        "n_stages": 3,
        "features_per_stage": [4, 6, 8],
        "kernel_sizes": [[3, 3, 3]] * 3,
        "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
        "n_conv_per_stage": [2, 2, 2],
        "n_conv_per_stage_decoder": [2, 2],
        "conv_bias": True,
    }
    with pytest.raises(ValueError, match="given together"):
        type(smoke).model_validate(smoke.model_dump() | {"features": None})
    with pytest.raises(ValueError, match="three levels"):
        type(smoke).model_validate(smoke.model_dump() | {"features": (4, 8)})
    with pytest.raises(RecipeError, match="is trained by nnunet"):
        load_preset("nnunet", "smoke")
    with pytest.raises(RecipeError, match="not trained by nnU-Net"):
        load_nnunet_preset("hipas", "smoke")


def test_without_nnunet_the_command_says_how_to_get_it(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nothing"))
    assert main(["fit", "nnunet", "--preset", "smoke", "--data", str(store), "--out", str(tmp_path / "run")]) == 2
    assert "run `make nnunet-env`" in capsys.readouterr().err


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("nnunet")
    write_model(root / "model")
    out = root / "models" / "vessel_segmentation"
    assert main(["export", str(root / "model"), "--out", str(out), "--version", "1.2.3"]) == 0
    return out


def test_checkpoint_becomes_a_bundle(bundle: Path, tmp_path: Path) -> None:
    """The network gives nnU-Net's answer to nnU-Net's input: clipped, less the mean, over the deviation."""
    network = write_model(tmp_path / "again")
    loaded = load_segmentation_bundle(bundle)
    assert loaded.config.preprocessing.clip_hu == (-621, 513)
    assert loaded.config.inference.fixed_window
    assert loaded.config.inference.window == PATCH
    assert "trained without mirroring" in loaded.metadata.description
    hu = torch.empty(1, 2, 16, 16, 16).uniform_(-1000, 1000)
    assert torch.equal(loaded.network(hu.clamp(-621, 513)), network(hu))
    assert "| parameters | " in (bundle / "docs" / "README.md").read_text()


def test_application_runs_it_in_windows_of_the_trained_size(bundle: Path) -> None:
    model = open_vessel_model(bundle, threads=1)
    rng = np.random.default_rng(1)
    seen: list[tuple[int, ...]] = []

    def noted(batch: np.ndarray) -> np.ndarray:
        seen.append(batch.shape)
        return runtime(batch)

    runtime = model.runtime
    object.__setattr__(model, "runtime", noted)
    small = probabilities(rng.normal(0, 300, (2, 10, 20, 16)).astype(np.float32), model)
    assert small.shape == (3, 16, 20, 16)
    assert small.sum(0) == pytest.approx(1.0, abs=1e-5)
    assert set(seen) == {(1, 2, *PATCH)}
    scan = make_scan(rng.normal(-700, 300, (24, 30, 30)), affine_of((1.0, 1.0, 1.0)), np.s_[4:20, 4:26, 4:26])
    syn = SynCect(scan, scan.volume.with_array(np.asarray(scan.volume.array).astype(np.int16)), NOBODY)
    assert segment(syn, model).labels.spatial_shape == (24, 30, 30)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"transpose_forward": [1, 0, 2]}, "order of axes: \\[1, 0, 2\\]"),
        ({"configurations": None}, "normalisation: .*ZScore"),
    ],
)
def test_what_the_application_cannot_run_is_refused(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    write_model(tmp_path / "model")
    path = tmp_path / "model" / "plans.json"
    plans = json.loads(path.read_text())
    if changes.get("configurations", 1) is None:
        plans["configurations"]["3d_fullres"]["normalization_schemes"] = ["ZScoreNormalization"] * 2
    else:
        plans |= changes
    path.write_text(json.dumps(plans))
    with pytest.raises(RecipeError, match=said):
        read_trained(tmp_path / "model").network_def()


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    torch.save({"network_weights": Evil()}, tmp_path / "model" / "fold_0" / "checkpoint_final.pth")
    with pytest.raises(RecipeError, match="cannot be read as a checkpoint"):
        read_trained(tmp_path / "model")
    assert not (tmp_path / "evil").exists()
    (tmp_path / "model" / "fold_1").mkdir()
    torch.save({}, tmp_path / "model" / "fold_1" / "checkpoint_best.pth")
    with pytest.raises(RecipeError, match="checkpoints of fold_0, fold_1; give the folder of one"):
        read_trained(tmp_path / "model")


class Evil:
    """Pickles as a call."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("evil"),)  # type: ignore[return-value]
