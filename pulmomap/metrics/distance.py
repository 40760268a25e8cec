"""Distances between the surfaces of two masks: HD95 and average symmetric surface distance (ASSD), in mm.

Definitions:

* The surface of a mask is its voxels with a face neighbour outside; what lies beyond the image counts as outside.
* In a region, the surfaces are those of the whole masks, restricted to the region's voxels, and the distances lead to
  the whole surface of the other mask. So a sphere that cuts a vessel adds no surface of its own.
* HD95 is the larger of the two directed 95th percentiles (as in MONAI) or the percentile of both directions together
  (as in medpy); numpy's linear percentile. ASSD is the mean over both directions together (MONAI and medpy alike).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import edt
import numpy as np
import numpy.typing as npt

from pulmomap.metrics.outcome import Outcome, Status, require_one_shape, status_of_counts
from pulmomap.metrics.region import Box, Region, bounding_box, grown, whole, within

FIRST_MARGIN = 5.0
"""mm around the region in which the other surface is sought first."""

Mask = npt.NDArray[np.bool_]
Distances = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances from each surface voxel of one mask to the nearest of the other.

    Attributes:
        to_reference: mm, from the predicted surface; empty unless the status is ok.
        to_predicted: mm, from the reference surface; empty unless the status is ok.
        status: of the surfaces inside the region.
    """

    to_reference: Distances
    to_predicted: Distances
    status: Status

    def hd95(self, pooled: bool = False) -> Outcome:
        """95 % Hausdorff distance, mm: the larger of the two directions, or both directions ``pooled``."""
        if self.status is not Status.OK:
            return Outcome.missing(self.status)
        groups = [self._all()] if pooled else [self.to_reference, self.to_predicted]
        return Outcome(max(float(np.percentile(group, 95)) for group in groups))

    def assd(self) -> Outcome:
        """Average symmetric surface distance, mm."""
        return Outcome(float(self._all().mean())) if self.status is Status.OK else Outcome.missing(self.status)

    def _all(self) -> Distances:
        return np.concatenate([self.to_reference, self.to_predicted])


def surface_distances(
    predicted: npt.NDArray[Any],
    reference: npt.NDArray[Any],
    spacing: Sequence[float],
    region: Region | None = None,
) -> SurfaceDistances:
    """Measure how far the surfaces of two masks are apart.

    Args:
        predicted, reference: 3D masks of one shape; voxels other than 0 belong to them.
        spacing: mm between voxel centres along each axis, which are orthogonal.
        region: measure from the surface voxels inside it only; None measures from all.

    Returns:
        The distances, exact to float32. The status tells whether each surface has voxels in the region.

    Raises:
        ValueError: the shapes differ, or the spacing is not three positive numbers.
    """
    require_one_shape(predicted, reference)
    if predicted.ndim != 3 or len(spacing) != 3 or min(spacing) <= 0:
        raise ValueError(f"the spacing {tuple(spacing)} mm does not fit a volume of {predicted.shape} voxels")
    masks = predicted.astype(bool, copy=False), reference.astype(bool, copy=False)
    limit = whole(predicted) if region else bounding_box(masks[0] | masks[1])
    box, inside = (region.box, region.inside) if region else (limit, np.True_)
    voxels = int(np.count_nonzero(inside)) if region else predicted.size
    first, second = (_surface(mask, box) & inside for mask in masks)
    status = status_of_counts(int(np.count_nonzero(first)), int(np.count_nonzero(second)), voxels)
    if status is not Status.OK:
        return SurfaceDistances(np.empty(0), np.empty(0), status)
    return SurfaceDistances(
        to_reference=_distances(first, masks[1], spacing, box, limit),
        to_predicted=_distances(second, masks[0], spacing, box, limit),
        status=status,
    )


def _distances(starts: Mask, target: Mask, spacing: Sequence[float], box: Box, limit: Box) -> Distances:
    """From each start (a mask over the box) to the target's surface, which has voxels in the box and none beyond the
    limit."""
    margin = FIRST_MARGIN
    while True:
        outer = grown(box, margin, spacing, limit)
        field = edt.edt(~_surface(target, outer), anisotropy=tuple(spacing), parallel=1)
        found: Distances = field[within(box, outer)][starts].astype(np.float64)
        # All that is nearer than the margin lies in the box, and what was found farther bounds the truth from above.
        if outer == limit or found.max() <= margin:
            return found
        margin = float(found.max()) * (1 + 1e-6)


def _surface(mask: Mask, box: Box) -> Mask:
    """The mask's surface inside the box."""
    outer = grown(box, 1.0, (1.0, 1.0, 1.0), whole(mask))
    body = mask[outer]
    inner = body.copy()
    for axis in range(3):
        along, source = np.moveaxis(inner, axis, 0), np.moveaxis(body, axis, 0)
        along[1:] &= source[:-1]
        along[:-1] &= source[1:]
        along[:1] = along[-1:] = False  # the image's border; a box inside the image is cut off this rim below
    return (body & ~inner)[within(box, outer)]
