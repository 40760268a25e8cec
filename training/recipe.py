"""Recipes: what a network is trained on, how, and at which of the named presets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pydoc import locate
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from torch import nn

RECIPES = Path(__file__).parent / "recipes"
NetworkSpec = dict[str, Any]
Precision = Literal["32-true", "bf16-mixed"]
Task = Literal["synthesis", "segmentation", "super_resolution", "reconstruction"]


class RecipeError(ValueError):
    """A recipe, or a run made from one, that cannot be used. The sentence says which and what to do."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Augmentation(_Settings):
    """What happens to the input of a network, so that it carries over from phantoms to scanners."""

    shift: float = Field(15.0, ge=0, description="HU; largest offset added to the whole input")
    gain: float = Field(0.03, ge=0, description="largest relative change of the HU scale around water")
    noise: float = Field(25.0, ge=0, description="HU; largest standard deviation of added, correlated noise")
    blur: float = Field(0.8, ge=0, description="voxels; largest sigma of the Gaussian that softens the input")
    thick: float = Field(0.0, ge=0, le=1, description="share of the crops whose slices are thick; segmentation")
    thickness: float = Field(3.0, gt=1, description="of the thickest slices, in voxels of the store")
    affine: float = Field(0.25, ge=0, le=1, description="share of the crops that are turned and scaled")
    angle: float = Field(8.0, ge=0, description="degrees; largest rotation about each axis")
    scale: float = Field(0.1, ge=0, lt=1, description="largest relative change of size")
    flip: float = Field(0.0, ge=0, le=1, description="share of the stacks mirrored along each in-plane axis; synthesis")


class Crop(_Settings):
    """Where and how large the training crops are."""

    size: tuple[int, int, int] = Field(description="voxels (slices, rows, columns)")
    zoom: float = Field(1.0, ge=1, description="network's voxel spacing over the store's; not of synthesis or slices")
    aimed: float = Field(0.5, ge=0, le=1, description="share of crops centred on a vessel or the blood pool")
    central: bool = Field(False, description="always the middle of the slice, as published; synthesis only")


class Optimiser(_Settings):
    """AdamW with warm-up and one cosine over the whole run, unless ``period`` says otherwise."""

    lr: float = Field(1e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(1e-2, ge=0)
    warmup: int = Field(50, ge=0, description="steps of linear warm-up")
    floor: float = Field(0.02, ge=0, le=1, description="learning rate at the end, relative to the start")
    clip: float | None = Field(1.0, gt=0, description="largest norm of the gradient; null: no limit")
    epoch: int = Field(1, gt=0, description="steps; with a period, the rate changes once an epoch")
    encoder_rate: float = Field(1.0, ge=0, description="learning rate of a pretrained encoder over lr; 0: frozen")
    period: int | None = Field(None, gt=0, description="epochs from lr down to its floor; then it climbs, and so on")


class Adversary(_Settings):
    """The hinge GAN term. Its discriminator has an optimiser of its own (TTUR)."""

    network: NetworkSpec
    weight: float = Field(0.01, ge=0, description="of the adversarial term")
    start: float = Field(0.4, ge=0, le=1, description="part of the run after which it begins")
    ramp: float = Field(0.1, ge=0, le=1, description="part of the run over which its weight grows")
    size: int = Field(96, gt=0, description="pixels; side of the patch that the discriminator sees")
    slices: int = Field(3, gt=0, description="adjacent slices that the discriminator sees of each image")
    optimiser: Optimiser = Optimiser(lr=2e-4, betas=(0.5, 0.999))


class SynthesisLoss(_Settings):
    """Vessel-weighted L1, in units of 1000 HU."""

    weight: float = Field(1.0, gt=0, description="of the L1 term")
    vessel_weight: float = Field(3.0, ge=1, description="weight of a voxel that the contrast agent brightens")
    vessel_hu: float = Field(100.0, gt=0, description="HU; CECT - NCCT above which a voxel counts as such")


class SegmentationLoss(_Settings):
    """Cross entropy + soft Dice over PA and PV."""

    dice_weight: float = Field(1.0, ge=0)
    small_vessel_weight: float = Field(2.0, ge=0, description="extra cross-entropy weight of the thinnest vessels")
    skeleton_weight: float = Field(0.0, ge=0, description="of the skeleton recall")


class CascadeLoss(_Settings):
    """Level-weighted Dice + artery/vein overlap at every stage of a cascade; replaces cross entropy + Dice."""

    levels: tuple[int, ...] = Field(description="the deepest level, 0 to 3, that each stage must find")
    largest_weight: float = Field(50.0, ge=1, description="of a level's Dice")
    overlap_weight: float = Field(1.0, ge=0)
    entropy_weight: float = Field(1.0, ge=0, description="of the cross entropy, which the publication does not have")


class SuperResolution(_Settings):
    """The thick slices that a super-resolution learns from, and its loss."""

    slices: int = Field(6, ge=2, description="thick slices that the network sees at a time")
    ratio: tuple[float, float] = Field((2.0, 5.0), description="range of the slice distance, in thin slices")
    thickness: tuple[float, float] = Field((0.8, 1.2), description="range of the thickness over the slice distance")
    vesselness_weight: float = Field(0.2, ge=0, description="of the error of the vesselness, beside the image's")
    vesselness_mm: tuple[float, ...] = Field((0.7, 1.2, 2.0), description="scales; the crop is only a few slices thick")
    squared: bool = Field(False, description="squared errors instead of absolute ones")


class Masking(_Settings):
    """What a pretraining hides, and what it must paint."""

    block: int = Field(16, gt=0, description="voxels; side of a block, a multiple of the network's stride")
    ratio: float = Field(0.6, gt=0, lt=1, description="share of the blocks that is hidden")
    normalised: bool = Field(True, description="each block less its mean, over its standard deviation")
    noise: float = Field(0.02, ge=0, description="network units; blocks that vary less count less")


class SecondChannel(_Settings):
    """What the segmenter sees beside the NCCT in training: shares of the crops, adding up to one.

    The Syn-CECT of a trained generator is what it meets in use; the true CECT with a random enhancement and the plain
    NCCT keep it from trusting the synthesis blindly.
    """

    syn: float = Field(0.6, ge=0, le=1)
    cect: float = Field(0.3, ge=0, le=1)
    ncct: float = Field(0.1, ge=0, le=1)
    enhancement: tuple[float, float] = Field((0.3, 1.2), description="range of the factor on CECT - NCCT")


class Preset(_Settings):
    """Everything that decides what a run does."""

    task: Task
    name: str = Field(description="of the recipe")
    bundle: str | None = Field(None, description="what the network is shipped as; null: for comparison, never exported")
    description: str
    seed: int = 42
    network: NetworkSpec
    crop: Crop
    batch: int = Field(gt=0, description="crops of a step, over all processes together")
    steps: int = Field(gt=0, description="upper bound; a time budget may end the run earlier")
    precision: Precision = "32-true"
    optimiser: Optimiser = Optimiser()
    ema: float = Field(0.999, ge=0, lt=1, description="decay of the weight average per step")
    augmentation: Augmentation = Augmentation()
    plain: float = Field(0.25, ge=0, le=1, description="share of crops whose input is the VNC instead of the NCCT")
    enhanced: float = Field(0.0, ge=0, le=1, description="share of crops that show the CECT alone; segmentation")
    synthesis: SynthesisLoss = SynthesisLoss()
    adversary: Adversary | None = None
    segmentation: SegmentationLoss = SegmentationLoss()
    cascade: CascadeLoss | None = None
    super_resolution: SuperResolution = SuperResolution()
    masking: Masking = Masking()
    second_channel: SecondChannel = SecondChannel()
    validate_every: float = Field(120.0, gt=0, description="seconds between validations")
    validation_crops: int = Field(4, gt=0, description="fixed crops per validation case")
    inference: dict[str, Any] = Field(default_factory=dict, description="goes into the bundle as it is")
    preprocessing: dict[str, Any] = Field(default_factory=dict, description="goes into the bundle as it is")

    @model_validator(mode="after")
    def _thin_slices_fit(self) -> Preset:
        span = int((self.super_resolution.slices - 1) * self.super_resolution.ratio[0])
        if self.task == "super_resolution" and self.crop.size[0] > span:
            raise ValueError(
                f"{self.crop.size[0]} thin slices do not fit between {self.super_resolution.slices} thick ones at a "
                f"ratio of {self.super_resolution.ratio[0]}; take at most {span}"
            )
        return self


def recipe_names() -> list[str]:
    """The recipes that come with the training door."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def load_preset(recipe: str, preset: str) -> Preset:
    """Read one preset of a recipe that our own loops train.

    Raises:
        RecipeError: see :func:`read_recipe`; or another program trains it.
    """
    content = read_recipe(recipe, preset)
    if "engine" in content:
        raise RecipeError(f"recipe {recipe!r} is trained by {content['engine']}, not by a loop of ours")
    return Preset.model_validate(content)


def read_recipe(recipe: str, preset: str) -> dict[str, Any]:
    """What one preset of a recipe says, by the recipe's name or by the path of a YAML file.

    Raises:
        RecipeError: no such recipe or preset; the sentence lists the ones there are.
    """
    path = Path(recipe) if recipe.endswith((".yaml", ".yml")) else RECIPES / f"{recipe}.yaml"
    if not path.is_file():
        raise RecipeError(f"there is no recipe {recipe!r}; there are {', '.join(recipe_names())}")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    presets = content.pop("presets")
    if preset not in presets:
        raise RecipeError(f"recipe {recipe!r} has no preset {preset!r}; it has {', '.join(sorted(presets))}")
    return _merged(content, _resolved(presets, preset))


def _resolved(presets: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A preset with what it extends: ``preset`` of the same recipe, or ``recipe/preset`` of another."""
    chosen = dict(presets[name])
    base = chosen.pop("extends", None)
    if base is None:
        return chosen
    recipe, _, preset = base.rpartition("/")
    others = yaml.safe_load((RECIPES / f"{recipe}.yaml").read_text(encoding="utf-8"))["presets"] if recipe else presets
    return _merged(_resolved(others, preset), chosen)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``above`` over ``below``, key by key; what names a ``_target_`` of its own takes no arguments from below."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both and "_target_" not in value else value
    return merged


def build(spec: NetworkSpec) -> nn.Module:
    """Make the network that ``{"_target_": "package.module.Class", **arguments}`` names.

    Raises:
        RecipeError: the target cannot be found.
    """
    arguments = dict(spec)
    target = arguments.pop("_target_")
    maker = locate(target)
    if not callable(maker):
        raise RecipeError(f"network {target!r} cannot be found; `_target_` must name a class of pulmomap.networks")
    network: nn.Module = maker(**arguments)
    return network
