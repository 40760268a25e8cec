"""From class probabilities on a network's grid to a label map on the scan's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray

from pulmomap.imaging.oblique import Geometry
from pulmomap.imaging.overlap import overlap
from pulmomap.imaging.resampling import resample_image

SLAB = 32  # reference slices at a time: the probabilities never exist on the whole fine grid


def resample_classes(scores: NDArray[Any], geometry: Geometry, reference: Geometry) -> Volume:
    """The most probable class of every reference voxel, after trilinear interpolation of the probabilities.

    Where the surface of a vessel runs between two voxels is known from the probabilities and lost in the labels: a tube
    of 3 mm taken from 1 mm to 0.78 mm keeps a Dice of 0.98 this way, and of 0.88 by nearest neighbour of its labels.

    Args:
        scores: (class, slice, row, column), probabilities of at most 256 classes; class 0 is the background.
        geometry: of the scores' three spatial axes.
        reference: a volume or geometry in the same frame of reference.

    Returns:
        uint8 on exactly the reference's grid; 0 outside the scores' field of view, the lower class where two are equal.

    Raises:
        ValueError: shapes that do not fit, another frame of reference.
    """
    if scores.ndim != 4 or scores.shape[1:] != geometry.spatial_shape or len(scores) > 256:
        raise ValueError(f"scores of shape {scores.shape} do not lie on a grid of {geometry.spatial_shape} voxels")
    classes = [
        Volume(one, geometry.affine, geometry.coordinate_system, geometry.frame_of_reference_uid) for one in scores
    ]
    labels = np.zeros(reference.spatial_shape, np.uint8)
    box: Any = overlap(geometry, reference)  # highdicom's annotation of an index knows one axis only
    if box is not None:
        _most_probable(classes, reference[box], labels[box])
    return Volume(labels, reference.affine, reference.coordinate_system, reference.frame_of_reference_uid)


def _most_probable(classes: list[Volume], reference: Geometry, labels: NDArray[np.uint8]) -> None:
    for start in range(0, len(labels), SLAB):
        part = labels[start : start + SLAB]
        slab = reference[start : start + len(part)]
        best = resample_image(classes[0], slab, fill=0.0).array
        for label, one in enumerate(classes[1:], start=1):
            score = resample_image(one, slab, fill=-np.inf).array
            part[score > best] = label
            np.maximum(best, score, out=best)
