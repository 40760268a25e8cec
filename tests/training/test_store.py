from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from training.batches import NEEDS
from training.cases import Cases
from training.prepare import HELD_OUT, prepare_phantoms
from training.store import Case, StoreError, add_array, case_folders, read_case, split_digest, split_of


def test_a_case_comes_back_as_it_was_written(store: Path) -> None:
    folder = case_folders(store)[0]
    case = read_case(folder)
    assert case.shape == (24, 40, 40)
    assert case.array("ncct").dtype == np.int16
    assert isinstance(case.array("cect"), np.memmap)
    assert not list(store.rglob("*.partial"))


@pytest.mark.parametrize("damage", ["truncate", "flip", "swap", "remove"])
def test_a_damaged_file_is_refused_by_name(store: Path, damage: str) -> None:
    first, second, *_ = case_folders(store)
    path = first / "cect.npy"
    content = path.read_bytes()
    if damage == "truncate":
        path.write_bytes(content[:-100])
    elif damage == "flip":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "swap":
        path.write_bytes((second / "cect.npy").read_bytes())
    else:
        path.unlink()
    with pytest.raises(StoreError, match=str(path)):
        Cases(store, NEEDS["synthesis"])


def test_a_case_under_another_name_is_refused(store: Path) -> None:
    folder = case_folders(store)[0]
    moved = folder.rename(store / "phantom-0009999")
    with pytest.raises(StoreError, match=f"{folder.name}, not {moved.name}"):
        read_case(moved)


def test_a_shape_that_disagrees_with_the_meta_is_refused(store: Path) -> None:
    folder = case_folders(store)[0]
    meta = json.loads((folder / "meta.json").read_text())
    meta["arrays"]["ncct"]["shape"] = [1, 2, 3]
    (folder / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(StoreError, match=r"ncct\.npy"):
        read_case(folder).array("ncct")


def test_no_patient_is_on_both_sides_of_the_split(store: Path) -> None:
    cases = Cases(store, NEEDS["synthesis"])
    train, validation = ({case.name for case in side} for side in (cases.train, cases.validation))
    assert train
    assert validation
    assert not train & validation
    assert train | validation == {folder.name for folder in case_folders(store)}


def test_no_study_of_a_patient_is_on_the_other_side(tmp_path: Path, make_case: Callable[[str, int], Case]) -> None:
    """The names of a site's cases: patients with two studies each, of which some would part if studies were split."""
    patients = [f"patient-{number:04x}" for number in range(24)]
    for number, patient in enumerate(patients):
        for study in ("a1", "b2"):
            make_case(f"{patient}+{study}", number)
    cases = Cases(tmp_path / "store", NEEDS["synthesis"])
    train, validation = ({case.name.partition("+")[0] for case in side} for side in (cases.train, cases.validation))
    assert len(cases.train) + len(cases.validation) == 48
    assert train
    assert validation
    assert not train & validation
    assert train | validation == set(patients)


def test_the_split_is_for_ever_and_of_the_asked_size() -> None:
    names = [f"phantom-{seed:07d}" for seed in range(4000)]
    share = np.mean([split_of(name) == "validation" for name in names])
    assert 0.11 < share < 0.14
    # Written down once: a change of this value moves patients between the sides of every store there is.
    assert split_digest(names[:100]) == "21836759cd6f"


def test_a_finished_case_joins_a_running_store(store: Path, make_case: Callable[[str, int], Case]) -> None:
    cases = Cases(store, NEEDS["segmentation"])
    before = len(cases.train)
    name = next(n for n in (f"phantom-{s:07d}" for s in range(5000, 6000)) if split_of(n) == "train")
    make_case(name, 7)
    (store / ".phantom-0000001.5.partial").mkdir()
    cases.refresh()
    assert len(cases.train) == before + 1


def test_a_running_segmentation_takes_in_the_synthesis(store: Path) -> None:
    for folder in case_folders(store):
        case = read_case(folder)
        meta = {**case.meta, "arrays": {k: v for k, v in case.meta["arrays"].items() if k != "syn"}}
        (folder / "meta.json").write_text(json.dumps(meta))
    cases = Cases(store, NEEDS["segmentation"])
    assert not any("syn" in case for case in cases.train)
    for folder in case_folders(store):
        add_array(read_case(folder), "syn", np.zeros((24, 40, 40), np.int16))
    cases.refresh()
    assert all("syn" in case for case in cases.train)


def test_a_held_out_phantom_never_trains(store: Path, make_case: Callable[[str, int], Case]) -> None:
    make_case(f"phantom-{HELD_OUT}", HELD_OUT)
    with pytest.raises(StoreError, match=f"phantom-{HELD_OUT} is reserved for evaluation"):
        Cases(store, NEEDS["synthesis"])


def test_held_out_seeds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=str(HELD_OUT)):
        prepare_phantoms(range(HELD_OUT - 1, HELD_OUT + 1), tmp_path)
    with pytest.raises(StoreError, match="reserved for training"):
        prepare_phantoms(range(3), tmp_path, held_out=True)
    assert not list(tmp_path.iterdir())


def test_a_missing_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store at"):
        Cases(tmp_path / "nowhere", NEEDS["synthesis"])
