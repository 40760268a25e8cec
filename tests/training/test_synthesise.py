from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.export import export
from training.fit import Run
from training.recipe import load_preset
from training.store import case_folders, read_case
from training.synthesise import add_synthesis


@pytest.fixture
def bundle(tmp_path: Path, store: Path) -> Path:
    Run(load_preset("enhance_gan", "smoke"), store, tmp_path / "run").train()
    export(tmp_path / "run", tmp_path / "bundle", "0.1.0")
    return tmp_path / "bundle"


def test_every_case_gets_its_synthesis_once(bundle: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_synthesis(store, bundle, threads=1)
    for folder in case_folders(store):
        case = read_case(folder)
        syn = case.array("syn")
        assert syn.shape == case.shape
        assert syn.dtype == np.int16
        assert len(case.meta["synthesised_by"]) == 64
        assert np.abs(syn.astype(int) - case.array("ncct")).max() < 2000
    assert capsys.readouterr().out.count("has its Syn-CECT") == 3
    add_synthesis(store, bundle, threads=1)
    assert not capsys.readouterr().out
