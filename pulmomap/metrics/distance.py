"""Distances between the surfaces of two masks: HD95 and average symmetric surface distance (ASSD), in mm.

Definitions:

* The surface of a mask is its voxels with a face neighbour outside; what lies beyond the image counts as outside.
* In a region, the surfaces are those of the whole masks, restricted to the region's voxels, and the distances lead to
  the whole surface of the other mask. So a sphere that cuts a vessel adds no surface of its own.
* Distances are sought among the surface voxels themselves (a k-d tree), which are few beside the voxels of a distance
  transform.
* HD95 is the larger of the two directed 95th percentiles (as in MONAI) or the percentile of both directions together
  (as in medpy); numpy's linear percentile. ASSD is the mean over both directions together (MONAI and medpy alike).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from pulmomap.metrics.outcome import Outcome, Status, require_one_shape, status_of_counts
from pulmomap.metrics.region import Box, Region, bounding_box, grown, whole, within

FIRST_MARGIN = 5.0
"""mm around the region in which the other surface is sought first."""

_BEYOND = 1e-6
"""Of a distance, added where its rounding must not hide a voxel."""

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Points = npt.NDArray[np.intp]
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
    predicted: Array,
    reference: Array,
    spacing: Sequence[float],
    region: Region | None = None,
    label: int | None = None,
) -> SurfaceDistances:
    """Measure how far the surfaces of two masks are apart.

    Args:
        predicted, reference: 3D masks or label maps of one shape.
        spacing: mm between voxel centres along each axis, which are orthogonal.
        region: measure from the surface voxels inside it only; None measures from all.
        label: which voxels are measured; None takes all but those that are 0.

    Returns:
        The distances, exact to rounding. The status tells whether each surface has voxels in the region.

    Raises:
        ValueError: the shapes differ, or the spacing is not three positive numbers.
    """
    require_one_shape(predicted, reference)
    if predicted.ndim != 3 or len(spacing) != 3 or min(spacing) <= 0:
        raise ValueError(f"the spacing {tuple(spacing)} mm does not fit a volume of {predicted.shape} voxels")
    first, second = _Body(predicted, label), _Body(reference, label)
    if region:
        limit, box, inside, voxels = whole(predicted), region.box, region.inside, int(np.count_nonzero(region.inside))
    else:
        box = limit = bounding_box(first.within(whole(predicted)) | second.within(whole(predicted)))
        inside, voxels = np.ones((1, 1, 1), bool), predicted.size
    starts = [np.argwhere(body.surface(box) & inside) for body in (first, second)]
    status = status_of_counts(len(starts[0]), len(starts[1]), voxels)
    if status is not Status.OK:
        return SurfaceDistances(np.empty(0), np.empty(0), status)
    return SurfaceDistances(
        to_reference=_distances(starts[0], second, spacing, box, limit),
        to_predicted=_distances(starts[1], first, spacing, box, limit),
        status=status,
    )


@dataclass(frozen=True)
class _Body:
    """A mask that is made box by box: a whole scan is seldom needed."""

    labels: Array
    label: int | None

    def within(self, box: Box) -> Mask:
        cut = self.labels[box]
        mask: Mask = cut != 0 if self.label is None else cut == self.label
        return mask

    def surface(self, box: Box) -> Mask:
        """The surface's voxels in a box, of its shape."""
        outer = grown(box, 1.0, (1.0, 1.0, 1.0), whole(self.labels))
        body = self.within(outer)
        inner = body.copy()
        for axis in range(3):
            along, source = np.moveaxis(inner, axis, 0), np.moveaxis(body, axis, 0)
            along[1:] &= source[:-1]
            along[:-1] &= source[1:]
            along[:1] = along[-1:] = False  # the image's border; a box inside the image is cut off this rim below
        return (body & ~inner)[within(box, outer)]


def _distances(starts: Points, target: _Body, spacing: Sequence[float], box: Box, limit: Box) -> Distances:
    """From each start (an index of the box) to the target's surface, which has voxels in the box and none beyond the
    limit."""
    step = np.asarray(spacing, dtype=np.float64)
    found: Distances = np.full(len(starts), np.inf)
    margin = FIRST_MARGIN
    while True:
        outer = grown(box, margin, spacing, limit)
        offset = [part.start - start.start for part, start in zip(outer, box, strict=True)]
        tree = cKDTree((np.argwhere(target.surface(outer)) + offset) * step, balanced_tree=False)
        far = found > FIRST_MARGIN  # the others are known: what is nearer than the margin lies in its box
        found[far] = tree.query(starts[far] * step)[0]
        # What was found farther than the margin bounds the truth from above.
        if outer == limit or found.max() <= margin:
            return found
        margin = float(found.max()) * (1 + _BEYOND)
