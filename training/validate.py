"""Validation by patient, on the same few crops every time: the model beside doing nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pulmomap.networks.i2sr import interpolate
from pulmomap.networks.masked_convolution import at_size
from training.batches import validation_crops
from training.data import HU_UNIT, Batch
from training.masked_autoencoder import hidden_error
from training.recipe import Preset, Task
from training.store import Case

Predict = Callable[..., Tensor]
Figures = dict[str, float]

PSNR_RANGE = 2000.0  # HU
COLOURS = np.array([[0, 0, 0], [60, 110, 255], [235, 70, 60]], dtype=np.uint8)  # background, PA, PV


def validate(predict: Predict, cases: list[Case], preset: Preset) -> Figures:
    """Mean over the patients of each patient's figures."""
    patients = [SCORES[preset.task](predict, validation_crops(case, preset), preset) for case in cases]
    return {key: float(np.nanmean([patient[key] for patient in patients])) for key in patients[0]}


def synthesis_figures(predict: Predict, crops: list[Batch], preset: Preset) -> Figures:
    """PSNR (dB) and MAE (HU) of the middle slice in and outside the vessels, for the model and for the NCCT itself."""
    middle = preset.crop.size[0] // 2
    truth, ncct = (torch.stack([crop[key][middle] for crop in crops]) * HU_UNIT for key in ("y", "x"))
    model = torch.stack([predict(crop["x"])[middle] for crop in crops]) * HU_UNIT
    vessel = torch.stack([crop["gain"][middle] for crop in crops]).abs() > preset.synthesis.vessel_hu
    figures: Figures = {}
    for name, image in (("model", model), ("no_model", ncct)):
        error = (image - truth).abs()
        figures[f"{name}_psnr"] = float(10 * torch.log10(PSNR_RANGE**2 / error.square().mean()))
        figures[f"{name}_vessel_mae"] = float(error[vessel].mean())
        figures[f"{name}_other_mae"] = float(error[~vessel].mean())
    return figures


def segmentation_figures(predict: Predict, crops: list[Batch], preset: Preset) -> Figures:
    """Dice of PA and PV, counted over all crops of one patient."""
    found = torch.stack([predict(crop["x"]).argmax(0) for crop in crops])
    truth = torch.stack([crop["y"] for crop in crops])
    figures: Figures = {}
    for name, label in (("pa", 1), ("pv", 2)):
        overlap = ((found == label) & (truth == label)).sum().item()
        total = (found == label).sum().item() + (truth == label).sum().item()
        figures[f"dice_{name}"] = 2 * overlap / total if total else float("nan")
    return figures


def slice_figures(predict: Predict, crops: list[Batch], preset: Preset) -> Figures:
    """PSNR (dB) and MAE (HU) of the thin slices, for the model and for the linear interpolation."""
    truth = torch.stack([crop["y"] for crop in crops]) * HU_UNIT
    figures: Figures = {}
    for name, answer in (("model", predict), ("linear", linear)):
        error = torch.stack([answer(crop["x"], crop["place"]) for crop in crops]) * HU_UNIT - truth
        figures[f"{name}_psnr"] = float(10 * torch.log10(PSNR_RANGE**2 / error.square().mean()))
        figures[f"{name}_mae"] = float(error.abs().mean())
    return figures


def linear(thick: Tensor, place: Tensor) -> Tensor:
    """The linear interpolation of thick slices (k, rows, columns) at places (n,)."""
    return interpolate(thick[None, None], place[None])[0, 0]


def painting_figures(predict: Predict, crops: list[Batch], preset: Preset) -> Figures:
    """Mean squared error of the hidden blocks, for the model and for painting them in one shade, the visible mean."""
    errors: dict[str, list[Tensor]] = {"model": [], "mean": []}
    for crop in crops:
        image, visible = crop["x"][None], crop["visible"][None]
        painted = predict(crop["x"], crop["visible"])[None]
        seen = at_size(visible, image.shape[2:])
        mean = (image * seen).sum((2, 3, 4), keepdim=True) / seen.sum()
        flat = torch.zeros_like(image) if preset.masking.normalised else mean.expand_as(image)
        for name, answer in (("model", painted), ("mean", flat[:, : painted.shape[1]])):
            errors[name].append(hidden_error(answer, image, visible, preset.masking))
    return {f"{name}_mse": float(torch.stack(values).mean()) for name, values in errors.items()}


SCORES: dict[Task, Callable[[Predict, list[Batch], Preset], Figures]] = {
    "synthesis": synthesis_figures,
    "segmentation": segmentation_figures,
    "super_resolution": slice_figures,
    "reconstruction": painting_figures,
}


def picture(predict: Predict, case: Case, preset: Preset, path: Path) -> None:
    """Write a PNG of one validation crop: input, prediction, truth, side by side."""
    crop = validation_crops(case, preset)[0]
    middle = preset.crop.size[0] // 2
    if preset.task == "segmentation":
        maps = [predict(crop["x"]).argmax(0)[middle], crop["y"][middle]]
        panels = [_grey(crop["x"][0, middle]), _grey(crop["x"][1, middle]), *(COLOURS[one.numpy()] for one in maps)]
    elif preset.task == "synthesis":
        panels = [_grey(image[middle]) for image in (crop["x"], predict(crop["x"]), crop["y"])]
    elif preset.task == "reconstruction":
        seen = at_size(crop["visible"][None], crop["x"].shape[1:])[0, 0]
        painted = predict(crop["x"], crop["visible"])[0] * (0.25 if preset.masking.normalised else 1.0)
        hidden = torch.where(seen > 0, crop["x"][0], -1.0)
        panels = [_grey(image[middle]) for image in (hidden, painted, crop["x"][0])]
    else:
        shown = crop["x"], crop["place"]
        panels = [_grey(image[middle]) for image in (linear(*shown), predict(*shown), crop["y"])]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(panels, axis=1)).save(path)


def _grey(image: Tensor, level: float = 0.1, width: float = 0.8) -> NDArray[np.uint8]:
    shown = ((image - level) / width + 0.5).clamp(0, 1).numpy()
    return np.repeat((shown * 255).astype(np.uint8)[..., None], 3, axis=-1)
