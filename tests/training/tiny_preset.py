"""A preset of each task with a network of one layer."""

from __future__ import annotations

from training.recipe import Preset

NETWORKS = {
    "synthesis": {"_target_": "torch.nn.Conv2d", "in_channels": 3, "out_channels": 3, "kernel_size": 3, "padding": 1},
    "segmentation": {
        "_target_": "torch.nn.Conv3d",
        "in_channels": 2,
        "out_channels": 3,
        "kernel_size": 3,
        "padding": 1,
    },
}


def tiny_preset(task: str) -> Preset:
    judge = {"_target_": "torch.nn.Conv2d", "in_channels": 6, "out_channels": 1, "kernel_size": 4, "stride": 2}
    adversary = {"network": judge, "start": 0.3, "ramp": 0.5, "size": 8} if task == "synthesis" else None
    return Preset.model_validate(
        {
            "task": task,
            "name": "tiny",
            "bundle": "tiny",
            "description": "a test",
            "network": NETWORKS[task],
            "crop": {"size": (3, 16, 16) if task == "synthesis" else (16, 16, 16), "aimed": 1.0},
            "batch": 2,
            "steps": 6,
            "precision": "32-true",
            "adversary": adversary,
            "validation_crops": 2,
        }
    )
