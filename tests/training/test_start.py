"""What a run may start from: another run, a bundle, and for the two-stage segmenter its coarse stage alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training.export import export
from training.fit import Run
from training.recipe import RecipeError, load_preset
from training.start import origin

COARSE = load_preset("vessel_segmentation", "smoke").model_copy(
    update={
        "network": load_preset("vessel_segmentation", "smoke").network | {"channels": [4, 8, 8]},
        "batch": 2,
    }
)
REFINED = load_preset("vessel_refinement", "smoke")


@pytest.fixture
def bundle(tmp_path: Path, store: Path) -> Path:
    Run(COARSE, store, tmp_path / "coarse").train()
    export(tmp_path / "coarse", tmp_path / "bundle", "0.1.0")
    return tmp_path / "bundle"


def test_a_bundle_is_the_run_it_was_exported_from(bundle: Path, tmp_path: Path) -> None:
    run, exported = origin(tmp_path / "coarse")[0], origin(bundle)[0]
    names = {name for name in run if name.startswith("module.")}
    assert names == set(exported)
    assert all(torch.equal(run[name], exported[name]) for name in names)


def test_the_refinement_takes_its_coarse_stage_and_leaves_it_alone(bundle: Path, tmp_path: Path, store: Path) -> None:
    run = Run(REFINED, store, tmp_path / "run", weights=bundle)
    assert run.started_from.startswith("as its coarse stage, the bundle vessel_segmentation 0.1.0 (4 steps")
    expected = {name.removeprefix("module."): value for name, value in origin(bundle)[0].items()}
    fine = {name: value.clone() for name, value in run.loop.network.module.fine.state_dict().items()}
    run.train()
    network = run.loop.average.module
    assert all(torch.equal(value, expected[name]) for name, value in network.coarse.state_dict().items())
    assert any(not torch.equal(value, fine[name]) for name, value in network.fine.state_dict().items())


def test_a_refined_bundle_can_be_gone_on_with(bundle: Path, tmp_path: Path, store: Path) -> None:
    Run(REFINED, store, tmp_path / "run", weights=bundle).train()
    export(tmp_path / "run", tmp_path / "refined", "0.2.0")
    joint = load_preset("vessel_refinement", "joint").model_copy(
        update={name: getattr(REFINED, name) for name in ("network", "crop", "batch", "steps", "validation_crops")}
    )
    run = Run(joint, store, tmp_path / "joint", weights=tmp_path / "refined")
    assert run.started_from.startswith("the bundle vessel_segmentation 0.2.0")
    before = {name: value.clone() for name, value in run.loop.network.module.coarse.state_dict().items()}
    run.train()
    after = run.loop.network.module.coarse.state_dict()
    assert any(not torch.equal(value, before[name]) for name, value in after.items())


def test_a_broken_bundle_is_refused_by_name(bundle: Path) -> None:
    (bundle / "configs" / "metadata.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"bundle is no whole bundle .*export it again"):
        origin(bundle)
    file = bundle / "models" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(RecipeError, match="export it again"):
        origin(bundle)
    with pytest.raises(RecipeError, match="is missing"):
        origin(bundle / "nothing")
