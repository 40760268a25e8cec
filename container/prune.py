"""Take out of an installed environment what PulmoMAP never runs: most of ITK, test suites, headers, GPU plugins.

Whatever is taken out here is missing at run time, so every rule names the reason. ``make image-check`` runs the app,
the training door and a registration in the pruned image.
"""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

# Of ITK's 97 modules elastix runs with these, arrays in and arrays out. It names a few more as its dependencies, which
# bring 25 others with them, but takes nothing out of them.
ITK_KEPT = (
    "Elastix",
    "ITKBridgeNumPy",
    "ITKCommon",
    "ITKIOImageBase",
    "ITKMesh",
    "ITKPyBase",
    "ITKPyUtils",
    "ITKTransform",
)
UNUSED = (
    "torch/test",  # compiled tests
    "torch/include",  # headers for C++ extensions; nothing is compiled at run time
    "torch/bin/*test*",
    "torch/bin/protoc*",
    "openvino/include",
    "openvino/libs/libopenvino_intel_gpu_plugin.so",  # OpenVINO is used for the CPU only
    "openvino/libs/libopenvino_intel_npu_plugin.so",
    "openvino/libs/cache.json",  # compiled kernels of the GPU plugin
    "pip",  # nothing is installed into a running container
    "pip-*.dist-info",
    "setuptools",
    "setuptools-*.dist-info",
    "pkg_resources",
    "_distutils_hack",
    "distutils-precedence.pth",
)
# The test suites of libraries. NumPy's stay: numpy.testing imports from them.
TESTED = (
    "gevent",
    "matplotlib",
    "networkx",
    "nibabel",
    "pandas",
    "pynetdicom",
    "scipy",
    "skimage",
    "statsmodels",
    "sympy",
)


def prune(packages: Path) -> int:
    """Prune the ``site-packages`` folder given; return the bytes freed."""
    before = _size(packages)
    for pattern in UNUSED:
        for path in packages.glob(pattern):
            _remove(path)
    for name in TESTED:
        for path in list((packages / name).rglob("tests")):
            _remove(path)
    prune_itk(packages / "itk")
    return before - _size(packages)


def prune_itk(itk: Path) -> None:
    """Remove every ITK module that is not in :data:`ITK_KEPT`, with the classes it wraps.

    ITK finds its modules by their files in ``Configuration``; each names the modules it imports. Where a module that
    stays imports one that goes, an empty module stands in.
    """
    configurations = {
        file.name.removesuffix("Config.py"): runpy.run_path(str(file))
        for file in (itk / "Configuration").glob("*Config.py")
    }
    wrapped_by_kept = {name for module in ITK_KEPT for name in _wrapped(configurations[module])}
    imported = {name for module in ITK_KEPT for name in configurations[module]["depends"]}
    for module in configurations.keys() - set(ITK_KEPT):
        for path in (itk / f"_{module}Python.abi3.so", *_python_files(itk, module)):
            path.unlink(missing_ok=True)
        for name in _wrapped(configurations[module]) - wrapped_by_kept:
            (itk / f"{name}Python.py").unlink(missing_ok=True)
        if module in imported:
            wrapper, configuration, snake_case = _python_files(itk, module)
            wrapper.write_text("")
            configuration.write_text("depends = ()\ntemplates = ()\n")
            snake_case.write_text("snake_case_functions = ()\n")


def _wrapped(configuration: dict[str, Any]) -> set[str]:
    return {template[2] for template in configuration.get("templates", ())}


def _python_files(itk: Path, module: str) -> tuple[Path, Path, Path]:
    configuration = itk / "Configuration"
    return itk / f"{module}Python.py", configuration / f"{module}Config.py", configuration / f"{module}_snake_case.py"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


if __name__ == "__main__":
    freed = prune(Path(sys.argv[1]))
    print(f"pruned {freed / 1e6:.0f} MB")  # read in the build's log
