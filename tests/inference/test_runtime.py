"""Runtimes: the same answer as PyTorch's, whatever runs the network."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from pulmomap.inference import runtime as module
from pulmomap.inference.bundle import BundleError, load_bundle
from pulmomap.inference.runtime import Floats, OpenVinoRuntime, TorchRuntime, open_runtime
from pulmomap.networks.coarse_to_fine import CoarseToFine
from pulmomap.networks.standardised import folded
from tests.conftest import ROOT
from tests.inference.made_bundle import WriteBundle

TASKS = ("synthesis", "segmentation")
# Largest difference between runtimes, and root of the mean square, as a part of the spread of the answer.
# bf16 has 8 bits of precision; random weights, unlike trained ones, do not average its rounding away.
TOLERANCES = {"f32": (1e-4, 1e-5), "bf16": (0.2, 0.03)}


def images(task: str, seed: int = 0, side: int = 16) -> Floats:
    shape = (2, 3, side, side + 8) if task == "synthesis" else (1, 2, side, side, side + 8)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def eager(folder: Path, x: Floats) -> Floats:
    with torch.no_grad():
        answer: Floats = load_bundle(folder).network(torch.from_numpy(x)).numpy()
    return answer


@pytest.mark.parametrize("precision", ["f32", "bf16"])
@pytest.mark.parametrize("task", TASKS)
def test_openvino_answers_as_pytorch_does(task: str, precision: str, write_bundle: WriteBundle) -> None:
    folder = write_bundle(task)
    runtime = open_runtime(load_bundle(folder), "cpu", precision, threads=1)  # type: ignore[arg-type]
    assert runtime.title == f"OpenVINO {precision}"
    x = images(task)
    expected = eager(folder, x)
    error = (runtime(x) - expected) / expected.std()
    largest, typical = TOLERANCES[precision]
    assert np.abs(error).max() < largest
    assert np.sqrt(np.square(error).mean()) < typical


@pytest.mark.parametrize("task", TASKS)
def test_without_openvino_pytorch_takes_over(
    task: str, write_bundle: WriteBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise ModuleNotFoundError("No module named 'openvino'")

    monkeypatch.setattr(module, "import_openvino", missing)
    folder = write_bundle(task)
    for precision in ("f32", "bf16"):
        runtime = open_runtime(load_bundle(folder), "cpu", precision)  # type: ignore[arg-type]
        assert isinstance(runtime, TorchRuntime)
        assert runtime.title == f"PyTorch cpu {precision}"
        expected = eager(folder, images(task))
        answer = runtime(images(task))
        assert answer.dtype == np.float32
        assert np.abs(answer - expected).max() / expected.std() < TOLERANCES[precision][0]


@pytest.mark.parametrize("task", TASKS)
def test_shapes_may_change_and_answers_repeat(task: str, write_bundle: WriteBundle) -> None:
    folder = write_bundle(task)
    runtime = open_runtime(load_bundle(folder), "cpu", "f32", threads=2)
    small, large = images(task, 1), images(task, 2, side=24)
    first = runtime(small).copy()
    np.testing.assert_allclose(runtime(large), eager(folder, large), atol=1e-4)
    assert np.array_equal(runtime(small), first)
    again = open_runtime(load_bundle(folder), "cpu", "f32", threads=2)
    assert np.array_equal(again(small), first)


@pytest.mark.parametrize("sides", [(12, 12, 12), (24, 18, 36), (6, 150, 12)])
def test_a_network_of_two_grids_keeps_them_in_every_shape(sides: tuple[int, int, int]) -> None:
    """Its factor of two thirds is traced once, with one shape."""
    torch.manual_seed(0)
    network = CoarseToFine(coarse=(4, 6, 6), fine=(4, 6)).eval()
    torch.nn.init.normal_(network.fine.output.weight)
    runtime = OpenVinoRuntime(folded(network), torch.zeros(1, 2, 12, 12, 12), "f32", threads=1)
    x = torch.randn(1, 2, *sides) * 0.4
    with torch.no_grad():
        np.testing.assert_allclose(runtime(x.numpy()), network(x).numpy(), atol=1e-5)


def test_input_need_not_be_contiguous_and_stays_as_it_is(write_bundle: WriteBundle) -> None:
    folder = write_bundle("synthesis")
    runtime = open_runtime(load_bundle(folder), "cpu", "f32")
    x = images("synthesis").transpose(0, 1, 3, 2)
    before = x.copy()
    np.testing.assert_allclose(runtime(x), eager(folder, before.copy()), atol=1e-4)
    assert np.array_equal(x, before)


def test_the_number_format_is_the_machines_where_nobody_chose(
    write_bundle: WriteBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = load_bundle(write_bundle("synthesis"))
    for choice in ("f32", "bf16"):
        monkeypatch.setattr(module, "cpu_precision", lambda choice=choice: choice)
        assert open_runtime(bundle, "cpu").title == f"OpenVINO {choice}"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_is_not_replaced_in_silence(write_bundle: WriteBundle) -> None:
    bundle = load_bundle(write_bundle("synthesis"))
    with pytest.raises(BundleError, match="cuda"):
        open_runtime(bundle, "cuda")
    assert isinstance(open_runtime(bundle, "auto"), OpenVinoRuntime)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("precision", ["f32", "bf16"])
@pytest.mark.parametrize("task", TASKS)
def test_cuda_answers_as_the_cpu_does(task: str, precision: str, write_bundle: WriteBundle) -> None:
    folder = write_bundle(task)
    runtime = open_runtime(load_bundle(folder), "cuda", precision)  # type: ignore[arg-type]
    expected = eager(folder, images(task))
    error = (runtime(images(task)) - expected) / expected.std()
    # f32 convolutions on CUDA may use TF32
    assert np.abs(error).max() < max(TOLERANCES[precision][0], 0.02)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not tie processes to cores")
def test_a_process_is_not_tied_to_a_core(write_bundle: WriteBundle) -> None:
    """Several cases at a time would share the first core, and the others stand idle."""
    runtime = open_runtime(load_bundle(write_bundle("segmentation")), "cpu", "f32", threads=1)
    caller, before = threading.get_native_id(), os.sched_getaffinity(0)
    batch = images("segmentation", side=64)
    runtime(batch)
    with ThreadPoolExecutor(1) as elsewhere:
        running = elsewhere.submit(cores_until, caller, done := threading.Event())
        for _ in range(20):
            runtime(batch)
        done.set()
        seen = running.result()
    assert seen == {frozenset(before)}


def cores_until(thread: int, done: threading.Event) -> set[frozenset[int]]:
    """The sets of cores on which a thread was allowed to run."""
    seen = {frozenset(os.sched_getaffinity(thread))}
    while not done.wait(0.002):
        seen.add(frozenset(os.sched_getaffinity(thread)))
    return seen


def test_openvino_does_not_call_home() -> None:
    """Importing OpenVINO sends a usage event unless its telemetry package is out of reach."""
    program = (
        "import sys, pulmomap.inference.runtime as r; r.import_openvino().convert_model; "
        "print(sorted(name for name in sys.modules if name.startswith('openvino_telemetry.')))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(params=[("contrast_synthesis", "synthesis"), ("vessel_segmentation", "segmentation")])
def shipped(request: pytest.FixtureRequest) -> tuple[Path, str]:
    name, task = request.param
    folder = ROOT / "models" / name
    if not folder.is_dir():
        pytest.skip(f"models/{name} is not there: make it with `python -m training`")
    return folder, task


@pytest.fixture(scope="module")
def chest() -> list[Floats]:
    """NCCT and CECT of the middle of a phantom's chest, network units, voxels as large as the networks know them."""
    from pulmomap.phantom.thorax import draw

    phantom = draw(5, spacing=1.0)
    part = tuple(slice(size // 2 - 48, size // 2 + 48) for size in phantom.ncct.spatial_shape)
    return [np.clip(v.array[part].astype(np.float32), -1000, 1000) / 1000 for v in (phantom.ncct, phantom.cect)]


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_shipped_weights_give_the_same_answer_on_every_runtime(
    shipped: tuple[Path, str], precision: str, chest: list[Floats]
) -> None:
    """The stated tolerance between OpenVINO and PyTorch in f32: HU for the synthesis, Dice for the segmentation."""
    folder, task = shipped
    stacks = [chest[0][k : k + 3] for k in (20, 30, 40)]
    x = np.stack(stacks) if task == "synthesis" else np.stack(chest)[None]
    expected = eager(folder, x)
    answer = open_runtime(load_bundle(folder), "cpu", precision)(x)  # type: ignore[arg-type]
    if task == "synthesis":
        error = np.abs(answer - expected) * 1000
        assert np.abs(expected).max() * 1000 > 50  # HU: it does enhance something
        assert error.max() < {"f32": 0.01, "bf16": 10.0}[precision]
        assert error.mean() < {"f32": 0.001, "bf16": 0.5}[precision]
    else:
        ours, theirs = answer.argmax(1), expected.argmax(1)
        for label in (1, 2):
            total = (ours == label).sum() + (theirs == label).sum()
            assert total > 0
            dice = 2 * ((ours == label) & (theirs == label)).sum() / total
            assert dice > {"f32": 0.9999, "bf16": 0.99}[precision]
