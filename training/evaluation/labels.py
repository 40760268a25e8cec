"""Reading a reference map of PA and PV: NIfTI with plain or named values, or a DICOM SEG."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
from highdicom import Volume
from numpy.typing import NDArray

from pulmomap.case import Vessel
from pulmomap.dicom.codes import VESSELS
from pulmomap.dicom.header import items
from pulmomap.dicom.nodule_terms import codes_in
from training.evaluation.cases import CaseError, GridError
from training.evaluation.reading import is_nifti, on_grid_of, read_nifti
from training.grids import described

PREFIXES = {Vessel.ARTERY: "pulmonary_artery", Vessel.VEIN: "pulmonary_vein"}
"""Names of vessels in a ``labels.json``, levels after them."""


def read_labels(path: Path, scan: Volume) -> Volume:
    """A map of PA and PV.

    A NIfTI file holds 0, 1 (PA) and 2 (PV), or has a ``.json`` beside it that names its values: those whose names begin
    with ``pulmonary_artery`` and ``pulmonary_vein`` count. A DICOM SEG names its segments by codes, and may leave out
    slices without vessels.

    Args:
        path: NIfTI or SEG file, or a folder with one SEG.
        scan: the one they were drawn on.

    Returns:
        uint8 values of :class:`Vessel` on the grid of the scan.

    Raises:
        GridError: they lie on another grid than the scan.
        CaseError: naming the values or segments that are not understood.
    """
    if not is_nifti(path):
        return _of_segmentation(path, scan)
    volume = read_nifti(path)
    named = _named(np.asarray(volume.array), _names_beside(path), path)
    return on_grid_of(volume.with_array(named), scan, "label map")


def _names_beside(path: Path) -> dict[str, int] | None:
    beside = path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".json")
    if not beside.is_file():
        return None
    try:
        return {str(name): int(value) for name, value in json.loads(beside.read_text(encoding="utf-8")).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise CaseError(f"{beside} is not a JSON object of names and numbers: {error}") from error


def _named(array: NDArray[Any], names: dict[str, int] | None, path: Path) -> NDArray[np.uint8]:
    if names is None:
        if odd := sorted(set(np.unique(array).tolist()) - {0, *Vessel}):
            raise CaseError(
                f"{path} holds the values {', '.join(f'{value:g}' for value in odd[:5])}; write 0, 1 (artery) and "
                "2 (vein), or name the values in a .json beside it"
            )
        return array.astype(np.uint8)
    result = np.zeros(array.shape, np.uint8)
    for vessel, prefix in PREFIXES.items():
        values = [value for name, value in names.items() if name.startswith(prefix)]
        if not values:
            raise CaseError(f"the .json beside {path} names no {prefix}")
        result[np.isin(array, values)] = vessel
    return result


def _of_segmentation(path: Path, scan: Volume) -> Volume:
    files = sorted(path.glob("*.dcm")) if path.is_dir() else [path]
    if len(files) != 1:
        raise CaseError(f"{path} holds {len(files)} DICOM files; the labels are one SEG")
    try:
        segmentation = highdicom.seg.segread(files[0])
    except Exception as error:  # pydicom and highdicom raise whatever the bytes provoke
        raise CaseError(f"{files[0]} cannot be read as a DICOM SEG: {type(error).__name__}: {error}") from error
    labels = scan.with_array(np.zeros(scan.spatial_shape, np.uint8))
    for vessel, code in VESSELS.items():
        chosen = [int(one.SegmentNumber) for one in items(segmentation, "SegmentSequence") if _is(one, code)]
        if not chosen:
            raise CaseError(f"{files[0]} has no segment with the code of {code.meaning} ({code.value}, SCT)")
        volume = segmentation.get_volume(segment_numbers=chosen, combine_segments=True, allow_missing_positions=True)
        labels.array[_on_scan(volume, scan) > 0] = vessel
    return labels


def _is(segment: Any, code: Any) -> bool:
    found = codes_in(segment, "SegmentedPropertyTypeCodeSequence")
    return any((one.get("CodeValue"), one.get("CodingSchemeDesignator")) == (code.value, "SCT") for one in found)


def _on_scan(volume: Volume, scan: Volume) -> NDArray[Any]:
    """The segment padded by the slices that the SEG leaves out; nothing is resampled."""
    try:
        matched = volume.match_geometry(scan, tol=1e-2)
    except RuntimeError:
        matched = None
    if matched is None or not np.allclose(sorted(volume.spacing), sorted(scan.spacing), rtol=1e-3):
        raise GridError(
            f"the label map is {described(volume)}, the scan it belongs to {described(scan)}; draw it on that grid"
        )
    return np.asarray(matched.array)
