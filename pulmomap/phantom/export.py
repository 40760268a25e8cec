"""A phantom as files: DICOM series, SEG and RTSTRUCT for the app; NIfTI and JSON truth for people and for training.

The same phantom gives the same bytes: UIDs come from the seed, dates are fixed.
"""

from __future__ import annotations

from pathlib import Path

from pulmomap.phantom.nodule_objects import nodule_segmentation, nodule_structures
from pulmomap.phantom.series import series_of, write_series
from pulmomap.phantom.thorax import BreathingScan, Phantom
from pulmomap.phantom.truth_files import write_truth


def write_study(phantom: Phantom, folder: Path, breathing: BreathingScan | None = None) -> None:
    """Write each series in its own folder, ``seg/`` and ``rtstruct/`` with the nodules, and ``truth/``."""
    for name, series in series_of(phantom, breathing).items():
        write_series(series, folder / name)
    for name, nodules in (("seg", nodule_segmentation(phantom)), ("rtstruct", nodule_structures(phantom))):
        (folder / name).mkdir(parents=True, exist_ok=True)
        nodules.save_as(folder / name / "nodules.dcm", enforce_file_format=True)
    write_truth(phantom, folder / "truth", breathing)
