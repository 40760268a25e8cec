"""Starts elastix in a child process and turns whatever happens to it into a transform or one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

from pulmomap.imaging.registration import child
from pulmomap.imaging.registration.errors import RegistrationError
from pulmomap.imaging.registration.images import as_image
from pulmomap.imaging.registration.preparation import Prepared
from pulmomap.imaging.registration.transform import split

MODULE = "pulmomap.imaging.registration.child"
ROOT = Path(__file__).resolve().parents[3]


def align(fixed: Prepared, moving: Prepared, *, threads: int, timeout: float) -> tuple[Any, ...]:
    """Rigid, affine and B-spline transform, after a shift that brings the lungs' centroids together.

    Args:
        fixed, moving: the two scans.
        threads: of elastix. The same number gives the same transform; another one differs by rounding.
        timeout: seconds.

    Returns:
        SimpleITK transforms in the order in which a fixed point, LPS mm, passes through them.

    Raises:
        RegistrationError: elastix crashed, was killed, gave up or took too long.
    """
    shift = np.subtract(moving.centroid, fixed.centroid)
    # elastix sees the moving scan already shifted; the shift is put behind what it finds.
    shifted = as_image(moving.image)
    shifted.SetOrigin((np.array(shifted.GetOrigin()) - shift).tolist())
    with tempfile.TemporaryDirectory(prefix="pulmomap-registration-") as name:
        folder = Path(name)
        for image, file in (
            (as_image(fixed.image), child.FIXED),
            (shifted, child.MOVING),
            (as_image(fixed.region), child.REGION),
        ):
            SimpleITK.WriteImage(image, str(folder / file))
        _run(folder, threads, timeout)
        found = split(SimpleITK.ReadTransform(str(folder / child.RESULT)))
    # A point passes through what elastix found, and then through the shift.
    return (*found, SimpleITK.TranslationTransform(3, shift.tolist()))


def _run(folder: Path, threads: int, timeout: float) -> None:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": str(threads),
        "PYTHONPATH": os.pathsep.join(paths),
    }
    try:
        ended = subprocess.run(
            [sys.executable, "-m", MODULE, str(folder)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RegistrationError(f"elastix had not ended after {timeout:g} s and was stopped; allow more time") from None
    if ended.returncode < 0:
        raise RegistrationError(
            f"elastix was ended by {signal.Signals(-ended.returncode).name}; this pair cannot be registered here"
        )
    if ended.returncode > 0 or not (folder / child.RESULT).is_file():
        raise RegistrationError(f"elastix gave up: {_reason(ended.stderr)}")


def _reason(said: str) -> str:
    """The last line of an error, which is its message; without the temporary folder's name it is the same each time."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it left no transform and no message"
