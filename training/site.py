"""`prepare dicom`: brings a site's paired series into the store: spectral VNC and CECT, or two scans after each other.

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
from numpy.typing import NDArray

from pulmomap.dicom.reading import read_volume
from pulmomap.inference.synthesis import whole_hu
from pulmomap.refusals import Refused
from training.prepare import MARGIN, crop_centres
from training.site_alignment import align
from training.site_pairs import Pair, place
from training.store import StoreError, read_case, write_case


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
        StoreError: a scan shows no lungs, the two were exchanged, or their registration is doubtful.
        Refused: a series cannot be read.
    """
    aligned = align(read_volume(pair.non_contrast), read_volume(pair.contrast), spacing, MARGIN)
    arrays: dict[str, NDArray[Any]] = {
        "ncct": whole_hu(aligned.ncct.array),
        "cect": whole_hu(aligned.cect.array),
        "lungs": aligned.lungs.array,
    }
    seed = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big")
    unlabelled = {"vessels": np.zeros(aligned.ncct.spatial_shape, np.uint8)}
    enhanced = crop_centres(arrays | unlabelled, seed)["enhanced"]
    if len(enhanced) == 0:
        raise StoreError(f"nothing in {place(pair.contrast)} is enhanced; were the two folders exchanged?")
    facts = {
        "source": "dicom",
        "spacing_mm": spacing,
        "affine": aligned.ncct.affine.tolist(),
        "alignment": aligned.facts,
    }
    return write_case(root, name, arrays | {"enhanced": enhanced}, facts).shape
