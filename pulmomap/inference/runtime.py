"""Runs a network: numpy in, numpy out.

CUDA runs PyTorch in bf16, channels last. A CPU runs OpenVINO, converted in memory from the same weights (about a
second, so nothing is cached on disk), or eager PyTorch where OpenVINO is not installed.

Standardised weights are folded into plain convolutions first; see :mod:`pulmomap.networks.standardised`.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from pulmomap.inference.bundle import Bundle, BundleError
from pulmomap.inference.hardware import Device, Precision, cpu_precision

if TYPE_CHECKING:
    from torch import Tensor, nn

Floats = NDArray[np.float32]
Format = Literal["f32", "bf16"]


class Runtime(Protocol):
    """A network on a device.

    Attributes:
        title: what runs it, for the log ("OpenVINO f32").
    """

    title: str

    def __call__(self, batch: Floats) -> Floats:
        """The network's answer to (batch, channels, *sides) in network units; sides are multiples of its stride.

        Equal shapes in succession are fastest. The answer is only valid until the next call.
        """


def open_runtime(
    bundle: Bundle[Any], device: Device = "auto", precision: Precision = "auto", threads: int = 0
) -> Runtime:
    """Put a bundle's network on the device that suits it.

    Args:
        bundle: from :func:`pulmomap.inference.bundle.load_bundle`; stays as it is.
        device: "auto" takes CUDA where there is one.
        precision: of the arithmetic. "auto" takes what is fast on the device.
        threads: CPU threads; 0 takes all cores.

    Raises:
        BundleError: "cuda" is asked for and there is none.
    """
    import torch

    from pulmomap.networks.standardised import folded

    network = folded(bundle.network)
    cuda = torch.cuda.is_available()
    if device == "cuda" and not cuda:
        raise BundleError("the settings ask for device cuda, but PyTorch finds none here; use auto or cpu")
    if cuda and device != "cpu":
        chosen: Format = "f32" if precision == "f32" or not torch.cuda.is_bf16_supported() else "bf16"
        return TorchRuntime(network, "cuda", chosen, bundle.axes)
    chosen = cpu_precision() if precision == "auto" else precision
    example = torch.zeros(1, bundle.in_channels, *(2 * bundle.stride,) * bundle.axes)
    try:
        return OpenVinoRuntime(network, example, chosen, threads)
    except ImportError:
        return TorchRuntime(network, "cpu", chosen, bundle.axes)


class TorchRuntime:
    """Eager PyTorch.

    Attributes:
        device: where the network is.
    """

    def __init__(self, network: nn.Module, device: Literal["cpu", "cuda"], precision: Format, axes: int) -> None:
        import torch

        self.device, self._precision = device, precision
        self._layout = torch.channels_last if axes == 2 else torch.channels_last_3d
        self._network = network.to(device)
        if device == "cuda":  # on CPUs this layout is slower for these networks
            self._network = self._network.to(memory_format=self._layout)  # type: ignore[call-overload]
        self.title = f"PyTorch {device} {precision}"

    def __call__(self, batch: Floats) -> Floats:
        import torch

        with torch.inference_mode():
            return cast(Floats, self.answer(torch.from_numpy(batch).to(self.device)).cpu().contiguous().numpy())

    def answer(self, batch: Tensor) -> Tensor:
        """As a call, from and to float32 tensors on :attr:`device`; to be called in inference mode."""
        import torch

        bf16 = self._precision == "bf16"
        half = torch.autocast(self.device, torch.bfloat16) if bf16 else contextlib.nullcontext()
        with half:
            given = batch.contiguous(memory_format=self._layout) if self.device == "cuda" else batch
            found: Tensor = self._network(given).float()
            return found


class OpenVinoRuntime:
    """OpenVINO on the CPU. Compiles for the shape it is given (a quarter of a second) and keeps the last one."""

    def __init__(self, network: nn.Module, example: Any, precision: Format, threads: int) -> None:
        import torch

        openvino = import_openvino()
        # OpenVINO would trace the network itself, twice more to check the trace: 10 times as long.
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # OpenVINO still reads traces best
            tracing: type[Warning] = torch.jit.TracerWarning  # type: ignore[attr-defined]
            warnings.simplefilter("ignore", tracing)  # that the trace holds for other shapes is tested
            traced = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
        self._model = openvino.convert_model(traced, example_input=example)
        self._core = openvino.Core()
        self._settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            # Else it ties its threads, the caller's too, to the first cores: two processes then share one core.
            "ENABLE_CPU_PINNING": False,
        }
        self._shape: tuple[int, ...] = ()
        self._request: Any = None
        self.title = f"OpenVINO {precision}"

    def __call__(self, batch: Floats) -> Floats:
        if batch.shape != self._shape:
            self._request = None  # frees the memory of the last shape first
            model = self._model.clone()
            model.reshape(list(batch.shape))
            self._request = self._core.compile_model(model, "CPU", self._settings).create_infer_request()
            self._shape = batch.shape
        answer = self._request.infer({0: np.ascontiguousarray(batch)}, share_inputs=True, share_outputs=True)
        return cast(Floats, answer[0])


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry, which would report every import to a server outside the hospital."""
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    return openvino
