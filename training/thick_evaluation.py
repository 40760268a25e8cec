"""How well thin slices come back from thick ones: the super-resolution beside the linear interpolation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from highdicom import Volume

from pulmomap.imaging.resampling import resample_image
from pulmomap.imaging.thick_slices import thick_slices
from pulmomap.inference.thin_slices import SliceModel, thin_slices
from training.figures import Figures, image_figures
from training.store import Case
from training.synthesise import case_volume

Refine = Callable[[Volume, SliceModel], Volume]


def measure_thick(
    cases: list[Case], thicknesses: list[float], model: SliceModel, refine: Refine = thin_slices
) -> dict[str, list[Figures]]:
    """Figures by row, one entry a case: for each thickness (mm, also the slice distance) both methods.

    Args:
        cases: with thin slices.
        thicknesses: mm.
        model: from :func:`pulmomap.inference.thin_slices.open_slice_model`.
        refine: makes thin slices with it.
    """
    rows: dict[str, list[Figures]] = {}
    for case in cases:
        truth = case_volume(case, "ncct")
        vessels, lungs = (np.asarray(case.array(name)) > 0 for name in ("vessels", "lungs"))
        for thickness in thicknesses:
            thick = thickened(truth, thickness)
            for name, fine in (("linear", thick), ("I2SR", refine(thick, model))):
                image = resample_image(fine, truth)
                seen = np.isin(np.arange(len(truth.array)), covered(thick, truth))
                figures = image_figures(image.array[seen], truth.array[seen], vessels[seen], lungs[seen])
                rows.setdefault(f"{name}, {thickness:g} mm", []).append(figures)
    return rows


def thickened(volume: Volume, thickness: float) -> Volume:
    """The scan with slices as thick as they are apart.

    Args:
        volume: canonical orientation, thin slices.
        thickness: mm.
    """
    step = thickness / float(volume.spacing[0])
    array, first = thick_slices(volume.array, step, step)
    affine = np.array(volume.affine)
    affine[:3, 3] += affine[:3, 0] * first
    affine[:3, 0] *= step
    return Volume(array, affine, volume.coordinate_system, volume.frame_of_reference_uid)


def covered(thick: Volume, thin: Volume) -> list[int]:
    """The thin slices between the first and the last thick one: beyond them nothing is interpolated."""
    ends = (thin.inverse_affine @ thick.affine @ np.array([[0, 0, 0, 1], [len(thick.array) - 1, 0, 0, 1]]).T)[0]
    return list(range(int(np.ceil(ends[0])), int(np.floor(ends[1])) + 1))
