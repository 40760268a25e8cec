"""Every odd file and folder ends in a right result or one clear refusal, never in a traceback."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from pydicom import dcmread

from pulmomap.case import SelectedSeries
from pulmomap.dicom.index import FolderIndex, index_folder
from pulmomap.dicom.nodules import find_nodules
from pulmomap.dicom.reading import read_volume
from pulmomap.dicom.selection import Selection, SelectionRules, select
from pulmomap.refusals import Refusal, Refused

PYDICOM = Path(pydicom.data.__file__).parent
PYDICOM_FOLDERS = [PYDICOM / name for name in ("test_files", "charset_files", "palettes")]
PYDICOM_FILES = [path for folder in PYDICOM_FOLDERS for path in sorted(folder.rglob("*")) if path.is_file()]
LENIENT = SelectionRules(min_slices=2, refuse_contrast_tags=False, keep="all")


def whole_way(folder: Path, rules: SelectionRules) -> tuple[FolderIndex, Selection]:
    index = index_folder(folder)
    selection = select(index, rules)
    assert len(selection.selected) + len(selection.rejected) == len(index.series)
    for rejected in selection.rejected:
        assert isinstance(rejected.code, Refusal)
        assert 10 < len(rejected.detail) < 500
        assert "\n" not in rejected.detail
    for series in selection.selected:
        read_or_refuse(series)
    return index, selection


def read_or_refuse(series: SelectedSeries) -> None:
    try:
        volume = read_volume(series)
    except Refused as refused:
        assert refused.code is Refusal.UNREADABLE  # noqa: PT017
        return
    assert np.isfinite(volume.array).all()
    assert np.ptp(volume.array) > 0
    find_nodules(series, volume.get_geometry())


@pytest.mark.parametrize("folder", PYDICOM_FOLDERS, ids=lambda one: one.name)
def test_pydicoms_folders(folder: Path) -> None:
    index, _ = whole_way(folder, LENIENT)
    assert all(not one.path.is_absolute() for one in index.unreadable)


@pytest.mark.parametrize("path", PYDICOM_FILES, ids=lambda one: one.name)
def test_pydicoms_files_alone(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path)
    index, _ = whole_way(tmp_path, LENIENT)
    assert len(index.series) + len(index.unreadable) + index.skipped <= 1


EXPECTED = {
    "broken": {Refusal.TOO_FEW_SLICES, Refusal.DERIVED, Refusal.INCOMPLETE_HEADER, Refusal.CONTRAST_PRESENT},
    "cs3d_ctimage": {Refusal.DUPLICATE_POSITIONS},
    "enhanced": {Refusal.DERIVED},
    "localizer": {Refusal.LOCALIZER},
    "lungmask": {Refusal.INCOMPLETE_HEADER},
    "mr_and_other": {Refusal.NOT_CT},
    "nema_ct1": {Refusal.CONTRAST_PRESENT, Refusal.DERIVED},
    "sagittal_series": {Refusal.DERIVED},
    "tilt_ge": {Refusal.GANTRY_TILT},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_odd_folders(odd_data: Path, name: str) -> None:
    _, selection = whole_way(odd_data / name, SelectionRules())
    assert not selection.selected
    assert {one.code for one in selection.rejected} == EXPECTED[name]


def test_all_odd_files_in_one_folder(odd_data: Path) -> None:
    assert {path.name for path in odd_data.iterdir()} == set(EXPECTED)
    whole_way(odd_data, LENIENT)


def test_odd_files_alone(odd_data: Path, tmp_path: Path) -> None:
    for number, path in enumerate(sorted(one for one in odd_data.rglob("*") if one.is_file())):
        (tmp_path / str(number)).mkdir()
        shutil.copy(path, tmp_path / str(number))
        whole_way(tmp_path / str(number), LENIENT)


def test_a_coronal_slice_in_a_sagittal_series_is_found(odd_data: Path) -> None:
    """Judged by its geometry alone, without regard to the image type."""
    rules = SelectionRules(min_slices=2, excluded_image_types=frozenset())
    _, selection = whole_way(odd_data / "sagittal_series", rules)
    assert [one.code for one in selection.rejected] == [Refusal.MIXED_ORIENTATION]


def test_the_real_enhanced_ct_is_read(odd_data: Path, tmp_path: Path) -> None:
    """Two frames 10 mm apart, stored from above, raw and in JPEG-LS."""
    rules = SelectionRules(
        min_slices=2, excluded_image_types=frozenset(), refuse_contrast_tags=False, max_spacing_mm=20
    )
    volumes = []
    for path in sorted((odd_data / "enhanced").iterdir()):
        shutil.rmtree(tmp_path / "one", ignore_errors=True)
        (tmp_path / "one").mkdir()
        shutil.copy(path, tmp_path / "one")
        (series,) = select(index_folder(tmp_path / "one"), rules).selected
        volumes.append(read_volume(series))
    frames = dcmread(odd_data / "enhanced" / "eCT_Supplemental.dcm")
    assert volumes[0].geometry_equal(volumes[1])
    # Row direction -x, column direction +y: the normal points to the feet, so slices run from head to feet.
    np.testing.assert_allclose(volumes[0].affine[:3, 0], [0, 0, -10])
    np.testing.assert_allclose(volumes[0].affine[:3, 3], [99.5, -301.5, -149])
    for volume in volumes:
        np.testing.assert_array_equal(volume.array, frames.pixel_array[::-1].astype(np.float32) - 1024)
