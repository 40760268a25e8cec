"""What a preset of the recipe ``nnunet`` says. What it leaves open, nnU-Net plans itself."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.recipe import RecipeError, read_recipe

Second = Literal["syn", "cect", "ncct"]
Triple = tuple[int, int, int]


class NnunetPreset(BaseModel):
    """Everything that decides what nnU-Net is asked to do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["nnunet"]
    name: str = Field(description="of the recipe")
    bundle: str = Field(description="what the network is shipped as")
    task: Literal["segmentation"]
    description: str
    seed: int = 42
    second_channel: Second = Field("syn", description="what the network sees beside the NCCT, in training")
    planner: str = Field("ExperimentPlanner", description="nnU-Net's class; nnUNetPlannerResEncM, L, XL: residual")
    memory_gb: float | None = Field(None, gt=0, description="of the GPU that the plan is for; null: the planner's")
    patch: Triple | None = Field(None, description="voxels; null: as planned")
    features: tuple[int, ...] | None = Field(None, description="channels of each level; null: as planned")
    batch: int | None = Field(None, gt=0, description="null: as planned")
    epochs: int = Field(gt=0)
    iterations: int = Field(gt=0, description="of an epoch")
    validation_iterations: int = Field(50, gt=0, description="of an epoch, for its pseudo Dice")
    overlap: float = Field(0.5, ge=0, lt=1, description="of the windows in use")
    lung_margin_mm: float = Field(15.0, ge=0, description="mm around the lungs that the network sees in use")

    @model_validator(mode="after")
    def _together(self) -> NnunetPreset:
        if (self.patch is None) != (self.features is None):
            raise ValueError("patch and features are given together, or both left to the plan")
        if self.features and len(self.features) < 3:
            raise ValueError("nnU-Net needs three levels: the loss of its coarsest answer has no weight")
        if self.patch and self.features and any(side % 2 ** (len(self.features) - 1) for side in self.patch):
            raise ValueError(f"a patch of {self.patch} cannot be halved {len(self.features) - 1} times")
        return self

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return self.epochs * self.iterations


def is_nnunet(content: dict[str, Any]) -> bool:
    """Whether a preset's content is of this kind."""
    return content.get("engine") == "nnunet"


def load_nnunet_preset(recipe: str, preset: str) -> NnunetPreset:
    """Read one preset of a recipe for nnU-Net.

    Raises:
        RecipeError: no such recipe or preset, or one that our own loops train.
    """
    content = read_recipe(recipe, preset)
    if not is_nnunet(content):
        raise RecipeError(f"recipe {recipe!r} is not trained by nnU-Net")
    return NnunetPreset.model_validate(content)
