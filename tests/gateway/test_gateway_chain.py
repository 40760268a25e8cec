"""A series comes in, its results go out; each thing once."""

from __future__ import annotations

from pathlib import Path

from made_series import made_series
from site_kit import Site

ONE = {"CT": [3], "SEG": [1], "SR": [1]}


def test_series_sent_by_dicom_is_processed_once(site: Site, tmp_path: Path) -> None:
    files = made_series(tmp_path / "ct")
    assert site.orthanc.send(files) == 0
    (name,) = [one["ID"] for one in site.orthanc.series(Modality="CT")]
    worker = site.worker()
    worker.until(lambda: (site.orthanc.record(name) or {}).get("state") == "done")
    assert site.orthanc.own() == ONE
    (start,) = site.starts()
    record = site.orthanc.record(name)
    assert record is not None
    assert (record["key"], start["files"]) == (start["key"], len(files))
    site.orthanc.await_stable()
    for _ in range(5):
        worker.round()
    assert len(site.starts()) == 1
    assert site.orthanc.own() == ONE
    site.close()
    assert list(site.work.iterdir()) == []
