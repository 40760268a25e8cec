"""Bundles: what a good one gives, and one clear sentence for each way in which one can be bad."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from pulmomap.inference.bundle import (
    WEIGHTS,
    BundleError,
    load_bundle,
    load_segmentation_bundle,
    load_synthesis_bundle,
)
from tests.inference.made_bundle import KINDS, PREPROCESSING, WriteBundle, random_network


@pytest.mark.parametrize("task", ["synthesis", "segmentation"])
def test_a_bundle_gives_its_network_and_says_what_it_is(task: str, write_bundle: WriteBundle) -> None:
    folder = write_bundle(task)
    bundle = load_bundle(folder)
    assert bundle.identity.name == f"tiny_{task}"
    assert bundle.identity.version == "0.1.2"
    assert bundle.identity.trained_on == "Nothing at all."
    assert bundle.identity.digest == hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    assert bundle.stride == 4
    assert not bundle.network.training
    x = torch.randn(1, bundle.in_channels, *(8,) * bundle.axes)
    with torch.no_grad():
        assert torch.equal(bundle.network(x), random_network(task).eval()(x))


@pytest.mark.slow
@pytest.mark.parametrize("task", ["synthesis", "segmentation"])
def test_monai_reads_the_same_network_from_it(task: str, write_bundle: WriteBundle) -> None:
    from monai.bundle import ConfigParser

    folder = write_bundle(task)
    parser = ConfigParser()
    parser.read_config(folder / "configs" / "inference.json")
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    assert type(network) is type(load_bundle(folder).network)


@pytest.mark.parametrize("file", ["configs/metadata.json", "configs/inference.json", "models/model.safetensors"])
def test_a_missing_file_is_named(file: str, write_bundle: WriteBundle) -> None:
    folder = write_bundle("synthesis")
    (folder / file).unlink()
    with pytest.raises(BundleError, match=re.escape(file)) as error:
        load_bundle(folder)
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nowhere"):
        load_bundle(tmp_path / "nowhere")


NETWORK = KINDS["synthesis"]["network"]


@pytest.mark.parametrize(
    ("sections", "place"),
    [
        ({"preprocessing": {**PREPROCESSING, "clip": 1}}, "preprocessing.clip"),
        ({"preprocessing": {**PREPROCESSING, "spacing_mm": [1, 1]}}, "preprocessing.spacing_mm"),
        ({"preprocessing": {**PREPROCESSING, "scale_hu": 0}}, "preprocessing.scale_hu"),
        ({"preprocessing": {**PREPROCESSING, "clip_hu": [1000, -1000]}}, "clip_hu"),
        ({"preprocessing": {**PREPROCESSING, "orientation": "RAS"}}, "preprocessing.orientation"),
        ({"inference": {"lung_margin_mm": 4.0, "assembly": "best"}}, "inference.assembly"),
        ({"inference": KINDS["segmentation"]["inference"]}, "inference"),
        ({"network_def": {"channels": [8]}}, "network_def._target_"),
        ({"network_def": {**NETWORK, "widths": [8]}}, "widths"),
        ({"network_def": {**NETWORK, "channels": "many"}}, "network_def"),
        ({"network_def": {**NETWORK, "channels": [8, 12]}}, "no tensor downs.1"),
        ({"network_def": {**NETWORK, "channels": [8, 12, 16, 16]}}, "is missing"),
        ({"network_def": {**NETWORK, "channels": [8, 12, 20]}}, r"shape .*needs"),
        ({"network_def": KINDS["segmentation"]["network"]}, "do not belong together"),
    ],
)
def test_a_wrong_config_is_one_line_that_names_the_place(
    sections: dict[str, Any], place: str, write_bundle: WriteBundle
) -> None:
    folder = write_bundle("synthesis", **sections)
    with pytest.raises(BundleError, match=place) as error:
        load_bundle(folder)
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "torch.nn.Conv2d",
        "pulmomap.networks",
        "pulmomap.networks.attention_unet.torch",
        "pulmomap.networks.attention_unet.Tensor",
        "pulmomap.networks.attention_unet.StandardConv2d",
        "pulmomap.networks.attention_unet.Norm",
        "pulmomap.networks.nothing.Nothing",
        "pulmomap.networks.attention_unet.Nothing",
        "pulmomap.networks..os.System",
        "pulmomap.inference.bundle.Bundle",
        "pulmomap.networks.attention_unet.AttentionUnet\n",
    ],
)
def test_nothing_but_a_network_of_ours_is_made(target: str, write_bundle: WriteBundle) -> None:
    with pytest.raises(BundleError):
        load_bundle(write_bundle("synthesis", network_def={"_target_": target, "in_channels": 3}))


def test_weights_that_are_no_safetensors_are_refused(write_bundle: WriteBundle) -> None:
    folder = write_bundle("synthesis")
    whole = (folder / WEIGHTS).read_bytes()
    for content in (b"", b"\x80\x04 a pickle", whole[:-1], whole[: len(whole) // 2]):
        (folder / WEIGHTS).write_bytes(content)
        with pytest.raises(BundleError, match="safetensors"):
            load_bundle(folder)


def test_weights_that_are_not_finite_are_refused(write_bundle: WriteBundle) -> None:
    folder = write_bundle("synthesis")
    weights = safetensors.torch.load_file(folder / WEIGHTS)
    weights["output.weight"][0] = float("nan")
    safetensors.torch.save_file(weights, folder / WEIGHTS)
    with pytest.raises(BundleError, match=r"output\.weight"):
        load_bundle(folder)


def test_a_network_of_another_shape_is_refused(write_bundle: WriteBundle) -> None:
    for arguments, word in (({"out_channels": 1}, "must make"), ({"in_channels": 1}, "does not take")):
        definition = {**NETWORK, **arguments}
        folder = write_bundle("synthesis", network_def=definition)
        network = KINDS["synthesis"]["class"](channels=NETWORK["channels"], **arguments)
        safetensors.torch.save_file(network.state_dict(), folder / WEIGHTS)
        with pytest.raises(BundleError, match=word):
            load_bundle(folder)


def test_broken_json_and_unknown_task_are_refused(write_bundle: WriteBundle) -> None:
    folder = write_bundle("synthesis")
    (folder / "configs" / "inference.json").write_text('{"network_def":')
    with pytest.raises(BundleError, match=r"inference\.json"):
        load_bundle(folder)
    metadata = json.loads((folder / "configs" / "metadata.json").read_text())
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata | {"task": "classification"}))
    with pytest.raises(BundleError, match="task"):
        load_bundle(folder)


def test_swapped_bundles_are_noticed(write_bundle: WriteBundle) -> None:
    with pytest.raises(BundleError, match="synthesis is needed"):
        load_synthesis_bundle(write_bundle("segmentation"))
    with pytest.raises(BundleError, match="segmentation is needed"):
        load_segmentation_bundle(write_bundle("synthesis"))
