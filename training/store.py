"""The store: one folder a case, one memory-mapped ``.npy`` a volume, one ``meta.json`` with sizes and digests.

Volumes are (slice, row, column) in canonical orientation (slices feet->head, rows anterior->posterior, columns
right->left), isotropic, int16 HU or uint8 labels, cropped to the box around the lungs. A case appears under its final
name only when it is whole, so that a run can train on a store that is still being filled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

META = "meta.json"
HELD_OUT = 9_000_000  # phantom seeds from here on are never trained on
Split = Literal["train", "validation"]


class StoreError(ValueError):
    """A store or a case that must not be trained on. The sentence names the file and what to do."""


@dataclass(frozen=True)
class Case:
    """One patient or phantom of the store.

    Attributes:
        folder: where its files lie; the folder's name is the case's name.
        meta: the content of ``meta.json``.
    """

    folder: Path
    meta: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def shape(self) -> tuple[int, int, int]:
        slices, rows, columns = self.meta["shape"]
        return slices, rows, columns

    def __contains__(self, array: str) -> bool:
        return array in self.meta["arrays"]

    def array(self, name: str) -> NDArray[Any]:
        """Map one array of the case, read-only. Raises StoreError when it is missing or truncated."""
        if name not in self:
            raise StoreError(f"{self.folder} has no {name}.npy; prepare it first")
        path = self.folder / f"{name}.npy"
        expected = self.meta["arrays"][name]
        _check_size(path, expected["bytes"])
        array: NDArray[Any] = np.load(path, mmap_mode="r")
        if list(array.shape) != expected["shape"] or str(array.dtype) != expected["dtype"]:
            raise StoreError(f"{path} holds {array.dtype} {array.shape}, {META} says otherwise; prepare the case again")
        return array


def write_case(root: Path, name: str, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> Case:
    """Write a whole case under a temporary name, then rename it into place.

    Args:
        root: the store.
        name: of the case; one patient or seed.
        arrays: volumes of one shape, and point lists of shape (n, 3).
        facts: what else ``meta.json`` should say (source, seed, spacing_mm ...).
    """
    shape = arrays["ncct"].shape
    partial = root / f".{name}.{os.getpid()}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    entries = {key: _write_array(partial, key, array) for key, array in arrays.items()}
    meta = {"case": name, **facts, "shape": list(shape), "arrays": entries}
    _write_json(partial / META, meta)
    final = root / name
    shutil.rmtree(final, ignore_errors=True)
    os.replace(partial, final)
    return Case(final, meta)


def add_array(case: Case, name: str, array: NDArray[Any], **facts: str) -> Case:
    """Add (or replace) one array of a case that is already in the store, and return the case as it is then."""
    entry = _write_array(case.folder, name, array)
    meta = {**case.meta, **facts, "arrays": {**case.meta["arrays"], name: entry}}
    _write_json(case.folder / META, meta)
    return Case(case.folder, meta)


def read_case(folder: Path) -> Case:
    """Read one case and prove that its files are the ones it was written with.

    Raises:
        StoreError: a file is missing, truncated, or belongs to another case; the sentence names it.
    """
    meta_path = folder / META
    if not meta_path.is_file():
        raise StoreError(f"{meta_path} is missing; prepare the case again")
    try:
        meta = json.loads(meta_path.read_text(encoding="utf-8"))
        entries, name = meta["arrays"], meta["case"]
    except (ValueError, KeyError) as error:
        raise StoreError(f"{meta_path} cannot be read; prepare the case again") from error
    if name != folder.name:
        raise StoreError(f"{meta_path} belongs to case {name}, not {folder.name}; prepare the case again")
    for key, entry in entries.items():
        path = folder / f"{key}.npy"
        _check_size(path, entry["bytes"])
        if _digest(path) != entry["blake2b"]:
            raise StoreError(f"{path} is not the file that {META} describes (mixed or damaged); prepare it again")
    return Case(folder, meta)


def case_folders(root: Path) -> list[Path]:
    """The finished cases of a store, by name. Raises StoreError when the folder is not there."""
    if not root.is_dir():
        raise StoreError(f"there is no store at {root}; run `python -m training prepare`")
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def split_of(name: str, part: float = 0.125) -> Split:
    """The side of the split on which a patient lies, for ever: it depends on nothing but the patient's name.

    Slices, crops and augmented copies follow their patient, and so do all studies of one patient, whose cases are named
    ``patient+study``: no patient can be on both sides.
    """
    patient = name.partition("+")[0]
    draw = int.from_bytes(hashlib.blake2b(f"pulmomap:{patient}".encode(), digest_size=8).digest(), "big") / 2**64
    return "validation" if draw < part else "train"


def split_digest(names: Iterable[str]) -> str:
    """Twelve hexadecimal digits that stand for who was trained on and who was validated on."""
    lines = "\n".join(f"{name} {split_of(name)}" for name in sorted(names))
    return hashlib.blake2b(lines.encode(), digest_size=6).hexdigest()


def ranges(numbers: Iterable[int]) -> str:
    """Write sorted numbers as ranges: 1-3, 7."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


def _write_array(folder: Path, name: str, array: NDArray[Any]) -> dict[str, Any]:
    path = folder / f"{name}.npy"
    partial = folder / f".{name}.{os.getpid()}.partial"
    with partial.open("wb") as stream:
        np.save(stream, np.ascontiguousarray(array))
    entry = {
        "dtype": str(array.dtype),
        "shape": list(array.shape),
        "bytes": partial.stat().st_size,
        "blake2b": _digest(partial),
    }
    os.replace(partial, path)
    return entry


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, path)


def _check_size(path: Path, expected: int) -> None:
    if not path.is_file():
        raise StoreError(f"{path} is missing; prepare the case again")
    size = path.stat().st_size
    if size != expected:
        raise StoreError(f"{path} is truncated or mixed up: {size} bytes instead of {expected}; prepare the case again")


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        digest = hashlib.blake2b(digest_size=16)
        while block := stream.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()
