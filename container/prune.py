"""Take out of an installed environment what PulmoMAP never runs: two thirds of ITK, test suites, headers, GPU plugins.

Whatever is taken out here is missing at run time, so every rule names the reason. ``make image-check`` runs the app,
the training door and a registration in the pruned image.
"""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path

# Of ITK's Python modules only elastix is used, with the arrays that go in and out.
ITK_ROOTS = ("Elastix", "ITKBridgeNumPy", "ITKPyUtils")
UNUSED = (
    "torch/test",  # compiled tests
    "torch/include",  # headers for C++ extensions; nothing is compiled at run time
    "torch/bin/*test*",
    "torch/bin/protoc*",
    "torch/lib/*.a",
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
TESTED = ("gevent", "matplotlib", "networkx", "nibabel", "pandas", "pynetdicom", "scipy", "skimage", "statsmodels", "sympy")


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
    """Remove every ITK module that none of :data:`ITK_ROOTS` depends on, as if its wheel had never been installed.

    ITK finds its modules by their files in ``Configuration``; each names the modules it depends on.
    """
    configurations = {
        file.name.removesuffix("Config.py"): runpy.run_path(str(file))
        for file in (itk / "Configuration").glob("*Config.py")
    }
    needed: set[str] = set()
    waiting = list(ITK_ROOTS)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += configurations[name]["depends"]
    kept = {template[2] for name in needed for template in configurations[name].get("templates", ())}
    for name in configurations.keys() - needed:
        wrapped = {template[2] for template in configurations[name].get("templates", ())} - kept
        for path in (
            itk / f"_{name}Python.abi3.so",
            itk / f"{name}Python.py",
            itk / "Configuration" / f"{name}Config.py",
            itk / "Configuration" / f"{name}_snake_case.py",
            *(itk / f"{template}Python.py" for template in wrapped),
        ):
            path.unlink(missing_ok=True)


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
