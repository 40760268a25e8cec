"""Cases as an nnU-Net raw dataset: images by channel, labels, ``dataset.json``.

nnU-Net reads by SimpleITK, whose arrays are (slice, row, column) where the file's axes are (column, row, slice). The
files are written so that its arrays are ours: slices to the head, rows to the back, columns to the left. A network
trained there then sees in the application what it saw in training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK
from highdicom import Volume

from pulmomap.imaging.resampling import canonical
from training.cases import Cases
from training.nnunet.preset import Second
from training.store import Case, split_of
from training.synthesise import case_volume

NAME = "Dataset001_PulmoMAP"
CLASSES = {"background": 0, "pulmonary_artery": 1, "pulmonary_vein": 2}
SCHEME = "CT"
"""nnU-Net chooses a channel's normalisation by its name, and knows this one; what the channel is stands beside it."""

SECOND: Mapping[Second, str] = {"syn": "Syn-CECT", "cect": "CECT", "ncct": "NCCT again"}
END = ".nii.gz"


def write_image(volume: Volume, path: Path) -> None:
    """Write one volume, under a temporary name first."""
    turned = canonical(volume)
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(turned.array))
    affine = np.asarray(turned.affine)[:, [2, 1, 0, 3]]  # SimpleITK's axes: column, row, slice
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    partial = path.with_name(f".{path.name}")
    SimpleITK.WriteImage(image, str(partial), useCompression=True, compressionLevel=1)
    partial.replace(path)


def add_case(dataset: Path, name: str, images: Mapping[str, Volume], vessels: Volume) -> None:
    """Add a case to the dataset folder (``Dataset001_Name``) and bring its ``dataset.json`` up to date.

    Args:
        dataset: the folder.
        name: of the case.
        images: two or more, by what they are; the first is the first channel.
        vessels: uint8 labels.

    Raises:
        ValueError: the volumes are not on one grid.
    """
    for folder in ("imagesTr", "labelsTr"):
        (dataset / folder).mkdir(parents=True, exist_ok=True)
    for channel, (kind, volume) in enumerate(images.items()):
        if not volume.geometry_equal(vessels, tol=None):
            raise ValueError(f"the {kind} lies on the grid {volume.affine}, its labels on {vessels.affine}")
        write_image(volume, dataset / "imagesTr" / f"{name}_{channel:04d}{END}")
    write_image(vessels, dataset / "labelsTr" / f"{name}{END}")
    content = {
        "channel_names": {str(channel): SCHEME for channel in range(len(images))},
        "channels": list(images),
        "labels": CLASSES,
        "numTraining": len(names(dataset)),
        "file_ending": END,
        "overwrite_image_reader_writer": "SimpleITKIO",
    }
    (dataset / "dataset.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def names(dataset: Path) -> list[str]:
    """The cases that are in the dataset, whole."""
    found = (dataset / "labelsTr").glob(f"[!.]*{END}")
    return sorted(path.name.removesuffix(END) for path in found)


def export_store(store: Path, dataset: Path, second: Second) -> Cases:
    """Write every case of a store that is not there yet.

    Args:
        store: with ``syn``, where that is the second channel.
        dataset: folder to fill.
        second: the second channel. "ncct" gives the NCCT twice, for a network that must do without contrast.

    Returns:
        The store's cases, of which the dataset holds all.

    Raises:
        StoreError: the store has no case to train on, or none to validate on.
    """
    cases = Cases(store, ("ncct", "vessels", second))
    there = set(names(dataset))
    for case in [*cases.train, *cases.validation]:
        if case.name not in there:
            add_case(dataset, case.name, _channels(case, second), case_volume(case, "vessels"))
            print(f"{case.name} is exported", flush=True)
    return cases


def splits(cases: list[str]) -> list[dict[str, list[str]]]:
    """nnU-Net's ``splits_final.json`` with one fold, ours: a patient is on one side for ever."""
    return [{"train": _side(cases, "train"), "val": _side(cases, "validation")}]


def _side(cases: list[str], split: str) -> list[str]:
    return sorted(name for name in cases if split_of(name) == split)


def _channels(case: Case, second: Second) -> dict[str, Volume]:
    return {"NCCT": case_volume(case, "ncct"), SECOND[second]: case_volume(case, second)}
