"""What the Holoscan runtime needs of the process it lives in."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import resource
import sys
from pathlib import Path

STACK_BYTES = 32 * 1024 * 1024
_RESTARTED = "PULMOMAP_STACK_RAISED"


def ensure_stack() -> None:
    """Restart the program once with a stack of 32 MiB where the limit is lower and may be raised.

    Holoscan's threads take their stack size from the limit at program start, so raising it later has no effect.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    enough = soft == resource.RLIM_INFINITY or soft >= STACK_BYTES
    allowed = hard == resource.RLIM_INFINITY or hard >= STACK_BYTES
    if enough or not allowed or _RESTARTED in os.environ:
        return
    resource.setrlimit(resource.RLIMIT_STACK, (STACK_BYTES, hard))
    os.environ[_RESTARTED] = "1"
    os.execv(sys.executable, sys.orig_argv)


def load_cuda_runtime() -> None:
    """Make ``libcudart.so.13`` known to the process before Holoscan is imported.

    Holoscan links it even where it only uses the CPU. The wheel ``nvidia-cuda-runtime`` brings the library into a
    folder that the loader does not search.

    Raises:
        ImportError: the library is neither on the loader's path nor installed as a wheel.
    """
    try:
        ctypes.CDLL("libcudart.so.13", mode=ctypes.RTLD_GLOBAL)
        return
    except OSError:
        pass
    spec = importlib.util.find_spec("nvidia")
    for folder in spec.submodule_search_locations if spec and spec.submodule_search_locations else ():
        library = Path(folder) / "cu13" / "lib" / "libcudart.so.13"
        if library.exists():
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
            return
    raise ImportError("libcudart.so.13 is missing: pip install -r requirements.txt brings it (nvidia-cuda-runtime)")


def quiet_holoscan() -> None:
    """Keep Holoscan's own log to errors, unless the user asked for more. Must run before it is imported."""
    os.environ.setdefault("HOLOSCAN_LOG_LEVEL", "ERROR")
