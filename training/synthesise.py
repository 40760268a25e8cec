"""`prepare synthesise`: gives every case the Syn-CECT that the segmenter will meet in use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from highdicom import Volume

from pulmomap.case import Ncct, SelectedSeries
from pulmomap.inference.synthesis import ContrastModel, open_contrast_model, synthesise
from training.store import Case, add_array, case_folders, read_case


def add_synthesis(store: Path, bundle: Path, *, threads: int = 0) -> None:
    """Write ``syn.npy`` into every case of a store, by the synthesiser of a bundle; cases that have it are left."""
    model = open_contrast_model(bundle, threads=threads)
    for folder in case_folders(store):
        case = read_case(folder)
        if case.meta.get("synthesised_by") != model.bundle.identity.digest:
            give_synthesis(case, model)
            print(f"{case.name} has its Syn-CECT", flush=True)


def give_synthesis(case: Case, model: ContrastModel) -> Case:
    """Add ``syn.npy`` to one case; ``meta.json`` then names the weights."""
    ncct = as_ncct(case_volume(case, "ncct"), case_volume(case, "lungs"), case.name)
    syn = synthesise(ncct, model)
    return add_array(case, "syn", np.asarray(syn.volume.array), synthesised_by=model.bundle.identity.digest)


def case_volume(case: Case, name: str) -> Volume:
    """One array of a case with its affine."""
    return Volume(np.asarray(case.array(name)), np.asarray(case.meta["affine"]), coordinate_system="PATIENT")


def as_ncct(volume: Volume, lungs: Volume, key: str) -> Ncct:
    """Bring a case into the form in which a scan reaches the networks.

    Args:
        volume: HU.
        lungs: uint8 mask on the same grid.
        key: stands for the series.
    """
    series = SelectedSeries(key, "2.25.1", "2.25.2", "2.25.3", ())
    return Ncct(series, volume.with_array(np.asarray(volume.array, dtype=np.float32)), lungs)
