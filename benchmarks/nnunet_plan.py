"""A plan as nnU-Net writes one, for a network that nobody trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CONFIGURATION = "3d_fullres"
BASE = "dynamic_network_architectures.architectures.unet."


def plan(patch: Sequence[int], features: Sequence[int], *, residual: bool = False, seed: int = 1) -> dict[str, Any]:
    """What ``nnunet_program make`` takes.

    Args:
        patch: voxels of 1 mm.
        features: channels of each level.
        residual: ``ResidualEncoderUNet`` instead of ``PlainConvUNet``.
        seed: of the weights.
    """
    levels = len(features)
    count = "n_blocks_per_stage" if residual else "n_conv_per_stage"
    arguments = {
        "n_stages": levels,
        "features_per_stage": list(features),
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[3, 3, 3]] * levels,
        "strides": [[1, 1, 1], *[[2, 2, 2]] * (levels - 1)],
        count: [1, 3, 4, 6, 6, 6][:levels] if residual else [2] * levels,
        "n_conv_per_stage_decoder": [1 if residual else 2] * (levels - 1),
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    configuration = {
        "data_identifier": "none",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(patch),
        "median_image_size_in_voxels": list(patch),
        "spacing": [1.0, 1.0, 1.0],
        "normalization_schemes": ["CTNormalization"] * 2,
        "use_mask_for_norm": [False, False],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None},
        "resampling_fn_seg_kwargs": {"is_seg": True, "order": 1, "order_z": 0, "force_separate_z": None},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None},
        "architecture": {
            "network_class_name": BASE + ("ResidualEncoderUNet" if residual else "PlainConvUNet"),
            "arch_kwargs": arguments,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
        "batch_dice": False,
    }
    intensities = {
        "0": {"percentile_00_5": -620.5, "percentile_99_5": 108.25, "mean": 12.5, "std": 77.75},
        "1": {"percentile_00_5": -540.0, "percentile_99_5": 512.5, "mean": 221.0, "std": 133.5},
    }
    plans = {
        "dataset_name": "Dataset001_PulmoMAP",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [1.0, 1.0, 1.0],
        "original_median_shape_after_transp": list(patch),
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {CONFIGURATION: configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": intensities,
    }
    dataset = {
        "channel_names": {"0": "CT", "1": "CT"},
        "labels": {"background": 0, "pulmonary_artery": 1, "pulmonary_vein": 2},
        "numTraining": 0,
        "file_ending": ".nii.gz",
    }
    return {"plans": plans, "dataset": dataset, "configuration": CONFIGURATION, "seed": seed}
