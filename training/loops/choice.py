"""Which loop a preset is trained by."""

from __future__ import annotations

from training.loops.adversarial import AdversarialLoop
from training.loops.cascade import CascadeLoop
from training.loops.masked import MaskedLoop
from training.loops.slices import SliceLoop
from training.loops.supervised import SupervisedLoop
from training.recipe import Preset, Task

LOOPS: dict[Task, type[SupervisedLoop]] = {
    "synthesis": AdversarialLoop,
    "segmentation": SupervisedLoop,
    "super_resolution": SliceLoop,
    "reconstruction": MaskedLoop,
}


def loop_of(preset: Preset) -> type[SupervisedLoop]:
    """The class of the preset's loop."""
    return LOOPS[preset.task] if preset.cascade is None else CascadeLoop
