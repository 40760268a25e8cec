"""How well thin slices come back from thick ones: the super-resolution beside the linear interpolation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray

from pulmomap.case import Ncct, Vessel
from pulmomap.imaging.resampling import resample_image
from pulmomap.imaging.thick_slices import thick_slices
from pulmomap.inference.thin_slices import SliceModel, thin_slices
from pulmomap.metrics.image import psnr
from pulmomap.metrics.overlap import confusion
from pulmomap.metrics.similarity import ms_ssim
from training.store import Case
from training.synthesise import as_ncct, case_volume

Mask = NDArray[np.bool_]
Figures = dict[str, float]
Refine = Callable[[Volume, SliceModel], Volume]
Find = Callable[[Ncct], NDArray[np.uint8]]
"""A scan to its map of arteries and veins."""

THIN = "thin slices"
"""The row of what nothing was taken from."""


def measure_thick(
    cases: list[Case],
    thicknesses: list[float],
    model: SliceModel,
    find: Find | None = None,
    refine: Refine = thin_slices,
) -> dict[str, list[Figures]]:
    """Figures by row, one entry a case: for each thickness (mm, also the slice distance) both methods.

    Everything is measured between the first and the last thick slice, on the grid of the thin ones. With ``find``
    there is a row of the thin slices themselves, for which nothing had to be put in between.

    Args:
        cases: with thin slices.
        thicknesses: mm.
        model: from :func:`pulmomap.inference.thin_slices.open_slice_model`.
        find: the networks that map the vessels; None leaves the Dice out.
        refine: makes thin slices with it.
    """
    rows: dict[str, list[Figures]] = {}
    for case in cases:
        truth = case_volume(case, "ncct")
        vessels, lungs = (np.asarray(case.array(name)) > 0 for name in ("vessels", "lungs"))
        if find is not None:
            rows.setdefault(THIN, []).append(vessel_figures(truth, case, find, slice(None)))
        for thickness in thicknesses:
            thick = thickened(truth, thickness)
            between = covered(thick, truth)
            seen = slice(between[0], between[-1] + 1)
            for name, fine in (("linear", thick), ("I2SR", refine(thick, model))):
                image = resample_image(fine, truth)
                figures = image_figures(image.array[seen], truth.array[seen], vessels[seen], lungs[seen])
                if find is not None:
                    figures |= vessel_figures(image, case, find, seen)
                rows.setdefault(f"{name}, {thickness:g} mm", []).append(figures)
    return rows


def vessel_figures(image: Volume, case: Case, find: Find, seen: slice) -> Figures:
    """What the networks find in an image of a case.

    Args:
        image: HU, on the grid of the case.
        case: with its labels.
        find: the networks.
        seen: slices that count.

    Returns:
        ``dice_pa`` and ``dice_pv``; NaN where there is neither truth nor answer.
    """
    ncct = as_ncct(image, case_volume(case, "lungs"), case.name)
    table = confusion(find(ncct)[seen], np.asarray(case.array("vessels"))[seen])
    return {"dice_pa": table.dice(Vessel.ARTERY).value, "dice_pv": table.dice(Vessel.VEIN).value}


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


def image_figures(image: NDArray[np.number], truth: NDArray[np.number], vessels: Mask, lungs: Mask) -> Figures:
    """How far thin slices (HU) are from the true ones.

    Returns:
        ``psnr`` dB (R = 2000 HU), everywhere, in the vessels and in the lungs; ``ms_ssim`` (volumetric);
        ``vessel_mae`` and ``other_mae`` HU, in and outside PA and PV.
    """
    error = np.abs(image.astype(np.float32) - truth.astype(np.float32))
    return {
        "psnr": psnr(image, truth).value,
        "lungs_psnr": psnr(image, truth, lungs).value,
        "vessel_psnr": psnr(image, truth, vessels).value,
        "ms_ssim": ms_ssim(image, truth).outcome.value,
        "vessel_mae": float(error[vessels].mean()),
        "other_mae": float(error[~vessels].mean()),
    }


def mean_figures(patients: Iterable[Mapping[str, float]]) -> Figures:
    """Mean over patients, a patient without a figure left out of that figure."""
    rows = list(patients)
    return {key: float(np.nanmean([row[key] for row in rows])) for key in rows[0]}
