"""The demonstration's patient: a phantom, on the kind of pixel matrix that scanners have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread

ROOT = Path(__file__).resolve().parents[2]
AIR = -1000  # HU


def draw_study(out: Path, seed: int, spacing: float) -> Path:
    """Draw a phantom's CT without contrast and the contours of its nodules.

    Args:
        out: a new folder.
        seed: selects the patient.
        spacing: of the voxels, mm.
    """
    command = [sys.executable, "-m", "training", "phantom", "--no-breathing", "--seed", str(seed)]
    phantom = out / "phantom"
    out.mkdir(parents=True)
    done = subprocess.run([*command, "--spacing", str(spacing), "--out", str(phantom)], cwd=ROOT, check=False)
    if done.returncode:
        raise RuntimeError(f"the phantom was not drawn: `{' '.join(command)}` ended with {done.returncode}")
    study = out / "study"
    for kind in ("ncct", "rtstruct"):
        (study / kind).mkdir(parents=True)
        for path in sorted((phantom / kind).iterdir()):
            dataset = dcmread(path)
            if kind == "ncct":
                widen(dataset)
            dataset.save_as(study / kind / path.name)
    return study


def widen(image: Dataset) -> None:
    """Add columns of air on the right until a row is whole bytes of one bit a pixel, as in every scanner's matrix.

    The phantom's grid is as large as its body. A binary SEG on such a grid packs its frames without a gap (DICOM PS3.5,
    8.1.1); Orthanc cannot hand out, and OHIF cannot read, frames that do not begin at a byte.
    """
    pixels = image.pixel_array
    air = int((AIR - image.RescaleIntercept) / image.RescaleSlope)
    wide = np.pad(pixels, ((0, 0), (0, -image.Columns % 8)), constant_values=air)
    image.PixelData = np.ascontiguousarray(wide).tobytes()
    image.Columns = wide.shape[1]
