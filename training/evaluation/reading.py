"""Reading the volumes of a case: a scan, a mask; DICOM or NIfTI.

All volumes come back in canonical orientation (slices feet->head, rows front->back, columns right->left), so that
those of one case share one layout whatever their files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from highdicom import Volume

from pulmomap.case import SelectedSeries
from pulmomap.dicom.reading import read_volume
from pulmomap.dicom.rules import SelectionRules
from pulmomap.imaging.resampling import canonical
from training.evaluation.cases import NIFTI, CaseError, GridError
from training.grids import described, one_grid
from training.site_pairs import only_series


def is_nifti(path: Path) -> bool:
    return path.name.endswith(NIFTI)


def read_nifti(path: Path) -> Volume:
    """A NIfTI file, its scaling applied, canonical. Raises CaseError when it cannot be read or is not 3D."""
    import nibabel

    try:
        return canonical(Volume.from_nibabel(nibabel.load(path)))
    except Exception as error:  # nibabel and zlib raise whatever the bytes provoke
        raise CaseError(f"{path} cannot be read as a 3D NIfTI volume: {type(error).__name__}: {error}") from error


def read_scan(path: Path, rules: SelectionRules) -> tuple[Volume, SelectedSeries | None]:
    """A CT scan.

    Args:
        path: NIfTI file, or a folder with one usable DICOM series.
        rules: which series is usable.

    Returns:
        float32 HU, canonical; and the series, of DICOM.

    Raises:
        CaseError: the file cannot be read, or holds values that are not numbers.
        StoreError: the folder holds no or several usable series.
        Refused: the series cannot be read.
    """
    if path.is_dir():
        series = only_series(path, rules)
        return canonical(read_volume(series)), series
    volume = read_nifti(path)
    array = np.asarray(volume.array, dtype=np.float32)
    if not np.isfinite(array).all():
        raise CaseError(f"{path} holds voxels that are not numbers; every voxel needs a value in HU")
    return volume.with_array(array), None


def read_mask(path: Path) -> Volume:
    """A NIfTI mask as uint8 0 and 1, canonical."""
    volume = read_nifti(path)
    return volume.with_array((np.asarray(volume.array) > 0).astype(np.uint8))


def on_grid_of(volume: Volume, reference: Volume, what: str) -> Volume:
    """The volume with exactly the reference's geometry, of which it may differ by round-off only.

    Raises:
        GridError: naming both grids.
    """
    if not one_grid(volume, reference):
        raise GridError(
            f"the {what} is {described(volume)}, the scan it belongs to {described(reference)}; draw it on that grid"
        )
    return reference.with_array(np.asarray(volume.array))
