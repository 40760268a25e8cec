"""Pretraining: what is hidden, what is painted, and that a segmenter starts from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from training.__main__ import main
from training.checkpoint import load_checkpoint
from training.fit import Run
from training.masked_autoencoder import MaskedAutoencoder, hidden_error, in_blocks, normalised
from training.masked_data import masked_crop
from training.recipe import Masking, Optimiser, Preset, RecipeError, build, load_preset
from training.start import encoder_weights
from training.store import Case, add_array, write_case
from training.validate import painting_figures

MakeCase = Callable[[str, int], Case]


def pretrained(folder: Path, store: Path) -> Path:
    Run(load_preset("mae", "smoke"), store, folder).train()
    return folder


def test_blocks_hold_their_own_voxels() -> None:
    x = torch.arange(2 * 4 * 4 * 6.0).reshape(1, 2, 4, 4, 6)
    blocks = in_blocks(x, (2, 2, 3))
    assert blocks.shape == (1, 2, 12, 8)
    for number, (i, j, k) in enumerate(np.ndindex(2, 2, 3)):
        part = x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, 2 * k : 2 * k + 2]
        assert torch.equal(blocks[:, :, number], part.flatten(2))


def test_normalised_blocks() -> None:
    blocks = torch.randn(2, 3, 100) * 0.3 + 0.5
    normal = normalised(blocks, 0.0)
    torch.testing.assert_close(normal.mean(-1), torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(normal.std(-1), torch.ones(2, 3))
    quiet = normalised(torch.randn(1, 100) * 1e-3, 0.02)
    assert quiet.abs().max() < 0.5, "noise is not blown up"


def test_only_hidden_blocks_count() -> None:
    image = torch.zeros(1, 1, 4, 4, 4)
    visible = torch.tensor([True, False]).reshape(1, 1, 2, 1, 1)
    painted = torch.zeros_like(image)
    painted[:, :, :2] = 7.0
    assert hidden_error(painted, image, visible, Masking(normalised=False)).item() == 0
    painted[:, :, 2:] = 3.0
    assert hidden_error(painted, image, visible, Masking(normalised=False)).item() == pytest.approx(9.0)


def test_a_fixed_share_is_hidden_and_labels_are_not_needed(tmp_path: Path, make_case: MakeCase) -> None:
    case = make_case("a", 1)
    bare = write_case(tmp_path / "bare", "b", {"ncct": np.asarray(case.array("ncct"))}, {})
    preset = load_preset("mae", "smoke")
    shares = set()
    masks = set()
    for seed in range(10):
        crop = masked_crop(bare, preset, np.random.default_rng(seed))
        assert crop["x"].shape == (2, 16, 16, 16)
        assert torch.equal(crop["x"][0], crop["x"][1])
        shares.add((~crop["visible"]).sum().item())
        masks.add(tuple(crop["visible"].flatten().tolist()))
    assert shares == {round(0.6 * 64)}
    assert len(masks) == 10


def test_a_coarser_grid_shows_more_of_the_scan(make_case: MakeCase) -> None:
    """On a ramp of 8 HU a slice, crops of 12 slices differ by 11 steps of the coarser grid."""
    case = make_case("a", 1)
    ramp = np.broadcast_to(np.arange(case.shape[0])[:, None, None] * 8, case.shape).astype(np.int16)
    case = add_array(case, "ncct", ramp)
    smoke = load_preset("mae", "smoke")
    for zoom in (1.0, 1.5):
        preset = smoke.model_copy(update={"crop": smoke.crop.model_copy(update={"size": (12, 12, 12), "zoom": zoom})})
        crop = masked_crop(case, preset, np.random.default_rng(0), augment=False)
        assert crop["x"].shape == (2, 12, 12, 12)
        slices = crop["x"][0, 1:-1].mean((1, 2)) * 1000  # the outermost are cut off at the crop's border
        assert torch.diff(slices).numpy() == pytest.approx(8 * zoom, rel=1e-3)


def test_what_is_hidden_is_not_shown_to_the_painter() -> None:
    torch.manual_seed(0)
    preset = load_preset("mae", "smoke")
    painter = build(preset.network).eval()
    assert isinstance(painter, MaskedAutoencoder)
    visible = torch.rand(1, 1, 4, 4, 4) > 0.6
    x = torch.randn(1, 2, 16, 16, 16)
    hidden = ~visible.repeat_interleave(4, 2).repeat_interleave(4, 3).repeat_interleave(4, 4)
    with torch.no_grad():
        assert torch.equal(painter(x, visible), painter(x + 100 * hidden, visible))
        assert not torch.equal(painter(x, visible), painter(x + 100 * ~hidden, visible))


def test_it_learns_to_paint(tmp_path: Path, store: Path) -> None:
    smoke = load_preset("mae", "smoke")
    changes = {
        "network": smoke.network | {"network": smoke.network["network"] | {"channels": [8, 16, 16]}, "width": 8},
        "steps": 200,
        "optimiser": Optimiser(lr=1e-2, warmup=10),
        "masking": Masking(block=4, normalised=False),
    }
    figures = Run(smoke.model_copy(update=changes), store, tmp_path / "run").train()
    assert figures["model_mse"] < 0.8 * figures["mean_mse"]


def test_a_blank_painter_of_normalised_blocks_scores_as_the_mean_does(make_case: MakeCase) -> None:
    preset = load_preset("mae", "smoke")
    crops = [masked_crop(make_case("a", 1), preset, np.random.default_rng(s), augment=False) for s in range(3)]
    figures = painting_figures(lambda x, visible: torch.zeros_like(x), crops, preset)
    assert figures["model_mse"] == figures["mean_mse"] > 0


def test_a_segmenter_starts_from_the_pretrained_encoder(tmp_path: Path, store: Path) -> None:
    run = pretrained(tmp_path / "mae", store)
    preset = load_preset("vessel_segmentation", "smoke")
    plain = Run(preset, store, tmp_path / "plain").loop.network.module.state_dict()
    started = Run(preset, store, tmp_path / "started", weights=run)
    average = load_checkpoint(run)["average"]
    mine = started.loop.network.module.state_dict()
    encoder = encoder_weights(started.loop.network.module, mine)
    assert 0 < len(encoder) < len(mine)
    for name, value in mine.items():
        expected = average[f"module.network.{name}"] if name in encoder else plain[name]
        assert torch.equal(value, expected), name
    assert started.started_from.startswith("the encoder of the weights of a run of 4 steps")


def test_every_stage_of_the_cascade_takes_the_encoder(tmp_path: Path, store: Path) -> None:
    hipas = load_preset("hipas", "smoke")
    mae = load_preset("mae", "smoke")
    changes = {
        "network": mae.network | {"network": hipas.network},
        "crop": hipas.crop,
        "masking": Masking(block=16),
        "steps": 1,
    }
    Run(Preset.model_validate(mae.model_dump() | changes), store, tmp_path / "mae").train()
    started = Run(hipas, store, tmp_path / "run", weights=tmp_path / "mae").loop.network.module.state_dict()
    average = load_checkpoint(tmp_path / "mae")["average"]
    stem = average["module.network.stages.0.unet.encoder.stem.weight"]
    for stage in range(4):
        assert torch.equal(started[f"stages.{stage}.unet.encoder.stem.weight"], stem)


def test_another_networks_weights_are_refused(tmp_path: Path, store: Path) -> None:
    run = pretrained(tmp_path / "mae", store)
    preset = load_preset("vessel_segmentation", "smoke")
    wide = preset.model_copy(update={"network": preset.network | {"channels": [4, 12]}})
    with pytest.raises(RecipeError, match=r"\(8,\) at downs\.0\.block.*, the network \(12,\)"):
        Run(wide, store, tmp_path / "run", weights=run)
    with pytest.raises(RecipeError, match="Conv2d has no encoder"):
        encoder_weights(torch.nn.Conv2d(1, 1, 1), {})


@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_the_encoder_goes_on_at_its_own_rate(rate: float, tmp_path: Path, store: Path) -> None:
    preset = load_preset("vessel_segmentation", "smoke")
    preset = preset.model_copy(update={"optimiser": Optimiser(lr=1e-2, encoder_rate=rate, warmup=0)})
    run = Run(preset, store, tmp_path / "run")
    network = run.loop.network.module
    before = {name: value.clone() for name, value in network.state_dict().items()}
    run.train()
    moved = {name: (value - before[name]).abs().max().item() for name, value in network.state_dict().items()}
    encoder = encoder_weights(network, before)
    fast = max(change for name, change in moved.items() if name not in encoder)
    slow = max(moved[name] for name in encoder)
    assert slow == 0 if rate == 0 else 0 < slow < 0.3 * fast


def test_a_resumed_run_keeps_the_encoders_rate(tmp_path: Path, store: Path) -> None:
    preset = load_preset("vessel_segmentation", "smoke")
    preset = preset.model_copy(update={"optimiser": Optimiser(encoder_rate=0.25)})
    Run(preset, store, tmp_path / "run").train()
    again = Run(preset, store, tmp_path / "run", resume=True)
    assert [group.get("rate") for group in again.loop.optimiser.param_groups] == [None, 0.25]


def test_a_pretraining_is_never_exported(tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretrained(tmp_path / "run", store)
    assert main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "out"), "--version", "1.0.0"]) == 2
    assert "mae" in capsys.readouterr().err


@pytest.mark.parametrize(("preset", "target"), [("recommended", "vessel_segmentation"), ("hipas", "hipas")])
def test_the_recipes_fit_together(preset: str, target: str) -> None:
    """The encoder that a preset pretrains is the one that the segmenter of that name has."""
    ours, theirs = load_preset("mae", preset).network["network"], load_preset(target, "pretrained").network
    with torch.device("meta"):
        one, two = (build(spec) for spec in (ours, theirs))
    shapes = [
        {name: value.shape for name, value in encoder_weights(network, network.state_dict()).items()}
        for network in (one, two)
    ]
    assert shapes[0] == shapes[1]
    paper = [load_preset(name, "paper") for name in ("mae", "hipas")]
    assert paper[0].network["network"]["widths"] == paper[1].network["widths"]
