"""`prepare dicom`: brings a site's paired series (spectral VNC and CECT, on one grid) into the store.

Nothing in the store says who a patient is. Case names are keyed hashes; the key, the store's salt, lies beside the
store and not in it: with it the same patients get the same names (and sides of the split) again, without it nobody can
find out by trial whose case it is.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray

from pulmomap.dicom.reading import read_volume
from pulmomap.imaging.lungs import lung_box, lung_mask
from pulmomap.imaging.resampling import resample_labels, to_grid
from pulmomap.refusals import Refused
from training.grids import described, one_grid
from training.prepare import MARGIN, crop_centres
from training.site_pairs import Pair, place
from training.store import StoreError, read_case, write_case

LOWEST_HU, HIGHEST_HU = -1024, 3071


def store_salt(root: Path) -> bytes:
    """The key of a store's case names, in ``<store>.salt``; made at the first call, readable by its owner only."""
    path = root.with_name(f"{root.name}.salt")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(secrets.token_hex(32) + "\n")
    return bytes.fromhex(path.read_text(encoding="ascii").strip())


def case_name(pair: Pair, salt: bytes) -> str:
    """``patient-<hash>+<hash of the study>``: all studies of a patient share what stands before the plus."""
    patient, study = (
        hashlib.blake2b(value.encode(), key=salt, digest_size=8, person=kind).hexdigest()
        for kind, value in ((b"patient", pair.patient), (b"study", pair.contrast.study_uid))
    )
    return f"patient-{patient}+{study[:8]}"


def prepare_site(pairs: Iterable[Pair], root: Path, *, spacing: float = 1.0) -> None:
    """Write every pair that is not in the store yet; can be stopped and started again at any time.

    Args:
        pairs: of the site.
        root: the store.
        spacing: mm, isotropic.

    Raises:
        StoreError: some pairs were refused (they are named as they come); the others are in the store.
    """
    root.mkdir(parents=True, exist_ok=True)
    salt, refused = store_salt(root), 0
    for pair in pairs:
        name = case_name(pair, salt)
        try:
            if (root / name).is_dir():
                read_case(root / name)
                print(f"{name} is there", flush=True)
            else:
                print(f"{name} {write_pair(pair, root, name, spacing)}", flush=True)
        except (StoreError, Refused) as error:
            refused += 1
            print(f"refused: {place(pair.non_contrast)} with {place(pair.contrast)}: {error}", flush=True)
    if refused:
        raise StoreError(f"{refused} pairs were refused, see above; the others are in {root}")


def write_pair(pair: Pair, root: Path, name: str, spacing: float) -> tuple[int, ...]:
    """Write one case; returns its shape.

    Raises:
        StoreError: the two are not on one grid, show no lungs, or were exchanged.
        Refused: a series cannot be read.
    """
    before, after = read_volume(pair.non_contrast), read_volume(pair.contrast)
    check_same_grid(before, after, pair)
    lungs = lung_mask(before).mask
    if not lungs.array.any():
        raise StoreError(f"{place(pair.non_contrast)} shows no two lungs; send a chest CT")
    box: Any = lung_box(lungs, MARGIN)  # highdicom's annotation of an index knows one axis only
    grid = to_grid(before[box], (spacing,) * 3)
    arrays: dict[str, NDArray[Any]] = {
        "ncct": _int16(grid),
        "cect": _int16(to_grid(after[box], (spacing,) * 3)),
        "lungs": resample_labels(lungs[box], grid).array,
    }
    seed = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big")
    unlabelled = {"vessels": np.zeros(grid.spatial_shape, np.uint8)}
    enhanced = crop_centres(arrays | unlabelled, seed)["enhanced"]
    if len(enhanced) == 0:
        raise StoreError(f"nothing in {place(pair.contrast)} is enhanced; were the two folders exchanged?")
    facts = {"source": "dicom", "spacing_mm": spacing, "affine": grid.affine.tolist()}
    return write_case(root, name, arrays | {"enhanced": enhanced}, facts).shape


def check_same_grid(before: Volume, after: Volume, pair: Pair) -> None:
    """Raises StoreError, with both grids, unless every voxel of one lies where that of the other does."""
    frames = {str(volume.frame_of_reference_uid) for volume in (before, after)}
    if len(frames) > 1:
        raise StoreError(
            f"{place(pair.non_contrast)} and {place(pair.contrast)} have different frames of reference: they are not "
            "one acquisition and must be registered first"
        )
    if not one_grid(before, after):
        raise StoreError(
            f"{place(pair.non_contrast)} is {described(before)}, {place(pair.contrast)} is {described(after)}: a "
            "pair must share one grid; reconstruct both on the same one"
        )


def _int16(volume: Volume) -> NDArray[np.int16]:
    return np.asarray(np.rint(np.clip(volume.array, LOWEST_HU, HIGHEST_HU)), dtype=np.int16)
