"""Phantoms as an nnU-Net raw dataset: NIfTI images by channel, labels, ``dataset.json``."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel

from pulmomap.phantom.thorax import Phantom

CHANNELS = {"0": "NCCT", "1": "CECT"}
CLASSES = {"background": 0, "pulmonary_artery": 1, "pulmonary_vein": 2}


def add_case(phantom: Phantom, dataset: Path) -> None:
    """Add a phantom to the dataset folder (``Dataset001_Name``) and bring its ``dataset.json`` up to date."""
    images, labels = dataset / "imagesTr", dataset / "labelsTr"
    images.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    name = f"phantom_{phantom.seed:07d}"
    for channel, volume in zip(CHANNELS, (phantom.ncct, phantom.cect), strict=True):
        nibabel.save(volume.to_nibabel(), images / f"{name}_{int(channel):04d}.nii.gz")
    nibabel.save(phantom.vessels.to_nibabel(), labels / f"{name}.nii.gz")
    content = {
        "channel_names": CHANNELS,
        "labels": CLASSES,
        "numTraining": len(list(labels.glob("*.nii.gz"))),
        "file_ending": ".nii.gz",
    }
    (dataset / "dataset.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
