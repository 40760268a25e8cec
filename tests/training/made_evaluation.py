"""Small chests with a contrast scan, as folders of files, and networks that do something simple."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from highdicom import Volume

from pulmomap.case import ModelIdentity, Ncct, SynCect
from training.evaluation.one_case import Networks

SHAPE = (26, 44, 44)
AFFINE = np.array([[0, 0, 1.0, -20], [0, 1.0, 0, -22], [1.0, 0, 0, -100], [0, 0, 0, 1]])
CENTRE = (-11.0, -11.0, -87.0)
"""LPS mm of a nodule beside the artery."""
NOBODY = ModelIdentity("none", "0.0.0", "0" * 64, "nothing")


@dataclass(frozen=True)
class Chest:
    """The volumes of one case: an artery in front, a vein behind, both enhanced by 300 HU in the CECT."""

    ncct: Volume
    cect: Volume
    labels: Volume
    lungs: Volume


def chest(seed: int) -> Chest:
    rng = np.random.default_rng(seed)
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:-2, 10:14, 8 + seed % 3 : 12], labels[2:-2, 28:32, 28:32] = 1, 2
    labels[12:14, 10:14, 8:20] = 1
    plain = rng.normal(-850, 15, SHAPE)
    plain[labels > 0] = 40
    lungs = np.zeros(SHAPE, np.uint8)
    lungs[1:-1, 4:-4, 4:-4] = 1
    arrays = [plain.astype(np.int16), (plain + 300 * (labels > 0)).astype(np.int16), labels, lungs]
    return Chest(*(Volume(array, AFFINE, "PATIENT") for array in arrays))


def write_folder(folder: Path, made: Chest, *, labels: bool = True, nodules: bool = True) -> Path:
    """A case folder of NIfTI files."""
    folder.mkdir(parents=True)
    for name in ("ncct", "cect", "lungs", *(["labels"] if labels else [])):
        nibabel.save(getattr(made, name).to_nibabel(), folder / f"{name}.nii.gz")
    if nodules:
        (folder / "nodules.json").write_text(json.dumps([{"centre_lps_mm": CENTRE, "diameter_mm": 6.0}]))
    return folder


def half_enhanced(ncct: Ncct) -> SynCect:
    """Adds 200 HU to whatever is soft."""
    hu = np.asarray(ncct.volume.array)
    return SynCect(ncct, ncct.volume.with_array((hu + 200 * (hu > -200)).astype(np.int16)), NOBODY)


def nothing_added(ncct: Ncct) -> SynCect:
    return SynCect(ncct, ncct.volume.with_array(np.asarray(ncct.volume.array).astype(np.int16)), NOBODY)


def bright_is_vessel(syn: SynCect) -> np.ndarray:
    """Finds a vessel wherever the second channel is enhanced, an artery in the front half and a vein behind."""
    found = (np.asarray(syn.volume.array) > 200).astype(np.uint8)
    found[:, 22:] *= 2
    return found


NETWORKS = Networks(half_enhanced, bright_is_vessel)
