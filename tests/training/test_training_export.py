from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from training.__main__ import main
from training.export import export
from training.fit import Run
from training.recipe import RecipeError, build, load_preset
from training.store import ranges


@pytest.fixture(params=["enhance_gan", "vessel_segmentation", "hipas"])
def trained(request: pytest.FixtureRequest, tmp_path: Path, store: Path) -> Run:
    run = Run(load_preset(request.param, "smoke"), store, tmp_path / "run")
    run.train()
    return run


def test_a_bundle_gives_what_the_run_gave(trained: Run, tmp_path: Path) -> None:
    from pulmomap.inference.bundle import load_bundle

    out = tmp_path / trained.preset.name
    export(trained.folder, out, "0.1.0")
    bundle = load_bundle(out)
    x = torch.randn(trained.preset.network["in_channels"], *trained.preset.crop.size[-2:])
    x = x if trained.preset.task == "synthesis" else x[:, None].expand(-1, 16, -1, -1).contiguous()
    with torch.no_grad():
        answer = bundle.network(x[None])[0]
    expected = trained.loop.predict(x)
    residual = x if trained.preset.task == "synthesis" else 0
    # A norm per channel divides by small deviations: the order of a sum shows.
    tolerance = 5e-5 if trained.preset.name == "hipas" else 1e-5
    assert torch.allclose(residual + answer, expected, atol=tolerance)


def test_the_same_run_gives_the_same_bytes(trained: Run, tmp_path: Path) -> None:
    for name in ("first", "second"):
        export(trained.folder, tmp_path / name, "0.1.0", rows={"no model": {"psnr": 27.1}}, held_out="1 seed")
    files = [path.relative_to(tmp_path / "first") for path in sorted((tmp_path / "first").rglob("*")) if path.is_file()]
    assert {str(file) for file in files} == {
        "LICENSE",
        "configs/inference.json",
        "configs/metadata.json",
        "docs/README.md",
        "models/model.safetensors",
    }
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_the_card_says_what_it_must(trained: Run, tmp_path: Path) -> None:
    export(
        trained.folder, tmp_path / "out", "0.1.0", rows={"no model": {"psnr": 27.1}}, held_out="seeds 9000000-9000003"
    )
    card = (tmp_path / "out" / "docs" / "README.md").read_text()
    metadata = json.loads((tmp_path / "out" / "configs" / "metadata.json").read_text())
    for fact in (
        metadata["git_commit"],
        metadata["data"]["split"],
        "Not for clinical use",
        "no model",
        "9000000-9000003",
    ):
        assert fact in card
    assert (metadata["name"], metadata["recipe"]) == (trained.preset.bundle, trained.preset.name)
    assert metadata["data"]["train_cases"] == 2
    assert metadata["data"]["validation_cases"] == 1


def test_the_shipped_weights_are_the_averaged_ones(trained: Run, tmp_path: Path) -> None:
    export(trained.folder, tmp_path / "out", "0.1.0")
    weights = safetensors.torch.load_file(tmp_path / "out" / "models" / "model.safetensors")
    network = build(trained.preset.network)
    network.load_state_dict(weights)
    averaged = dict(trained.loop.average.module.named_parameters())
    assert all(torch.equal(averaged[name], value) for name, value in network.named_parameters())


def test_a_run_without_a_checkpoint_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path), "--out", str(tmp_path / "out"), "--version", "1.0.0"]) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert main(["export", str(tmp_path), "--out", str(tmp_path / "out"), "--version", "new"]) == 2


def test_weights_too_large_to_ship_are_refused(trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.export.LARGEST", 100)
    with pytest.raises(RecipeError, match="MiB"):
        export(trained.folder, tmp_path / "out", "0.1.0")
    export(trained.folder, tmp_path / "out", "0.1.0", any_size=True)
    assert (tmp_path / "out" / "models" / "model.safetensors").stat().st_size > 100


def test_ranges() -> None:
    assert ranges([7, 1, 2, 3]) == "1-3, 7"
    assert ranges([]) == ""
