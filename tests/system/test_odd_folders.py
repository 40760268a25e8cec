"""Every odd folder ends in a right result or a clear sentence, never in a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from app_runs import ROOT, run_app

from pulmomap.refusals import Refusal

ODD = ROOT.parent / "shared" / "data" / "odd"
FOLDERS = sorted(path.name for path in ODD.iterdir()) if ODD.is_dir() else []


@pytest.mark.skipif(not FOLDERS, reason="the odd files are not part of the repository")
@pytest.mark.parametrize("name", FOLDERS or ["none"])
def test_odd_folder_is_refused_by_name(name: str, tmp_path: Path) -> None:
    run = run_app(ODD / name, tmp_path / "out")
    assert run.code == 3, run.stderr
    assert "Traceback" not in run.stderr
    manifest = run.manifest
    assert manifest["series"] or manifest["unreadable"]
    for series in manifest["series"]:
        assert series["outcome"] == "refused"
        assert series["code"] in Refusal.__members__
        assert series["detail"]
        assert "\n" not in series["detail"]
