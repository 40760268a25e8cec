"""Which loop a preset is trained by."""

from __future__ import annotations

from training.loops.adversarial import AdversarialLoop
from training.loops.cascade import CascadeLoop
from training.loops.slices import SliceLoop
from training.loops.supervised import SupervisedLoop
from training.recipe import Preset


def loop_of(preset: Preset) -> type[SupervisedLoop]:
    """The class of the preset's loop."""
    if preset.task == "synthesis":
        return AdversarialLoop
    if preset.task == "super_resolution":
        return SliceLoop
    return SupervisedLoop if preset.cascade is None else CascadeLoop
