"""Skeleton recall: no centre line may be lost.

Source: Kirchhoff et al., "Skeleton Recall Loss for Connectivity Conserving and Resource Efficient Segmentation of Thin
Tubular Structures", ECCV 2024 (arXiv 2404.03010): the truth is thinned on the CPU, once for each crop, and the
skeleton is thickened; on the device nothing is left but a sum.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, generate_binary_structure
from skimage.morphology import skeletonize
from torch import Tensor

TUBE = 2  # voxels to either side of the centre line
SMOOTH = 1e-5


def tubed_skeleton(labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """The thickened centre lines of a label map, each voxel with its own label.

    Args:
        labels: (slices, rows, columns): 0 background, 1 PA, 2 PV.

    Returns:
        The labels within ``TUBE`` voxels of a centre line; 0 elsewhere.
    """
    tube = np.zeros(labels.shape, bool)
    for label in (1, 2):
        mask = labels == label
        if mask.any():
            thin = skeletonize(mask, method="lee").astype(bool)  # type: ignore[no-untyped-call]
            # Thinning erases some even-sided parts as a whole; there, every voxel is centre line.
            thin = thin if thin.any() else mask
            tube |= mask & binary_dilation(thin, generate_binary_structure(3, 1), iterations=TUBE)
    return np.asarray(labels * tube, dtype=np.uint8)


def skeleton_recall(probability: Tensor, skeleton: Tensor) -> Tensor:
    """1 - the share of the centre lines that is found, mean over PA and PV, counted over the whole batch.

    Args:
        probability: of PA and PV, (batch, 2, *spatial).
        skeleton: labels of :func:`tubed_skeleton`, (batch, *spatial).
    """
    truth = torch.stack([skeleton == 1, skeleton == 2], 1)
    axes = [0, *range(2, truth.ndim)]
    found = (probability * truth).sum(axes)
    return 1.0 - ((found + SMOOTH) / (truth.sum(axes) + SMOOTH)).mean()
