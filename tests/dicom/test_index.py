"""What is found in a folder."""

from __future__ import annotations

import logging
import shutil
import warnings
from pathlib import Path, PurePosixPath

import pytest
from dicom_factory import SERIES_UID, STUDY_UID, UID_ROOT, ct_series
from pydicom import dcmread

from pulmomap.dicom.index import index_folder


def test_series_are_grouped_by_study_and_series_uid(tmp_path: Path) -> None:
    ct_series(tmp_path / "a", shape=(3, 4, 4))
    ct_series(tmp_path / "b" / "deep", shape=(2, 4, 4), SeriesInstanceUID=UID_ROOT + "77")
    ct_series(tmp_path / "c", shape=(4, 4, 4), StudyInstanceUID=UID_ROOT + "88")
    found = {(one.study_uid, one.series_uid): len(one.instances) for one in index_folder(tmp_path).series}
    assert found == {(STUDY_UID, SERIES_UID): 3, (STUDY_UID, UID_ROOT + "77"): 2, (UID_ROOT + "88", SERIES_UID): 4}


def test_headers_hold_no_pixels(tmp_path: Path) -> None:
    ct_series(tmp_path, shape=(1, 4, 4))
    (series,) = index_folder(tmp_path).series
    assert "PixelData" not in series.instances[0].header
    assert series.instances[0].header.Rows == 4


def test_what_is_not_dicom_is_counted_and_hidden_files_are_not(tmp_path: Path) -> None:
    ct_series(tmp_path / "in", shape=(1, 4, 4))
    (tmp_path / "notes.txt").write_text("x" * 1000)
    (tmp_path / "empty").touch()
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / ".DS_Store").write_text("hidden")
    ct_series(tmp_path / ".trash", shape=(1, 4, 4), SeriesInstanceUID=UID_ROOT + "9")
    index = index_folder(tmp_path)
    assert (len(index.series), index.skipped, index.unreadable) == (1, 3, ())


@pytest.mark.parametrize("length", [0, 100, 140, 200])
def test_cut_files_are_unreadable_by_their_relative_path(tmp_path: Path, length: int) -> None:
    (path,) = ct_series(tmp_path / "sub", shape=(1, 4, 4))
    path.write_bytes(path.read_bytes()[:length])
    index = index_folder(tmp_path)
    assert index.series == ()
    assert [one.path for one in index.unreadable] == [PurePosixPath("sub/0000.dcm")]


def test_a_file_without_preamble_is_read_if_it_has_a_sop_class(tmp_path: Path) -> None:
    (path,) = ct_series(tmp_path, shape=(1, 4, 4))
    dataset = dcmread(path)
    del dataset.file_meta
    dataset.preamble = None
    bare = tmp_path / "bare"
    dataset.save_as(bare, implicit_vr=True, little_endian=True, enforce_file_format=False)
    path.unlink()
    assert bare.read_bytes()[128:132] != b"DICM"
    (series,) = index_folder(tmp_path).series
    assert series.series_uid == SERIES_UID


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    outside = ct_series(tmp_path / "outside", shape=(2, 4, 4))
    inside = ct_series(tmp_path / "root", shape=(1, 4, 4), SeriesInstanceUID=UID_ROOT + "5")
    (tmp_path / "root" / "link.dcm").symlink_to(outside[0])
    (tmp_path / "root" / "folder").symlink_to(tmp_path / "outside", target_is_directory=True)
    (tmp_path / "root" / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "root" / "loop").symlink_to(tmp_path / "root", target_is_directory=True)
    index = index_folder(tmp_path / "root")
    assert [one.path for series in index.series for one in series.instances] == inside


def test_the_answer_does_not_depend_on_the_order_of_writing(tmp_path: Path) -> None:
    paths = ct_series(tmp_path / "one", shape=(5, 4, 4))
    (tmp_path / "two").mkdir()
    for path in reversed(paths):
        shutil.copy(path, tmp_path / "two" / path.name)
    names = [
        [one.path.name for series in index_folder(tmp_path / folder).series for one in series.instances]
        for folder in ("one", "two")
    ]
    assert names[0] == names[1]


def test_nothing_of_the_patient_reaches_a_log_or_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    ct_series(tmp_path, shape=(1, 4, 4))
    path = tmp_path / "0000.dcm"
    # Values beyond their length, which pydicom would quote in a warning.
    path.write_bytes(path.read_bytes().replace(b"CANARY-ID ", b"CANARY-ID\x01"))
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        index_folder(tmp_path)
    written = caplog.text + "".join(capfd.readouterr()) + "".join(str(one.message) for one in caught)
    assert "canary" not in written.lower()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="nowhere"):
        index_folder(tmp_path / "nowhere")
