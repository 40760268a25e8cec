"""The two lungs on a coarse canonical grid (slices to the head, rows to the back, columns to the left)."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import cc3d
import edt
import numpy as np
from numpy.typing import NDArray
from skimage import segmentation

from pulmomap.imaging.airway import Labels, find_airway, sections

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]
segment: Any = segmentation  # its functions have no types

AIR = -400.0  # HU; between aerated lung (-950 to -500) and soft tissue, where partial volume is halved
AIRWAY_WALL = 4.0  # mm taken away around the airway's lumen, so that its wall does not join the lungs
SMALLEST_PIECE = 50.0  # ml; anything smaller is not a lung or a separate part of one
MEAN_HU = (-965.0, -450.0)  # of a lung: gas in bowel, arm pits or bags is lighter, atelectasis denser
APART = 60.0  # mm between the centroids of the two lungs, across the body
EROSIONS = (0.0, 2.5, 5.0, 7.5, 10.0, 12.5, 15.0)  # mm; touching lungs are joined by thinner bridges than these
CLOSING = 7.5  # mm; fills vessels and nodules up to twice that across at the surface (inner ones whatever their size)


def find_lungs(hu: NDArray[np.float32], spacing: Spacing) -> tuple[Mask, Mask]:
    """Right and left lung, vessels and nodules filled, trachea and main bronchi left out.

    Args:
        hu: (slice, row, column), canonical orientation, 2 to 3 mm.
        spacing: mm.

    Returns:
        Two masks that do not overlap; both empty if there are not two lungs side by side.
    """
    air = enclosed(hu < AIR)
    right, left = np.zeros_like(air), np.zeros_like(air)
    if not air.any():
        return right, left
    box = _box(air, CLOSING + AIRWAY_WALL, spacing)
    right[box], left[box] = _find(hu[box], air[box], spacing)
    return right, left


def _find(hu: NDArray[np.float32], air: Mask, spacing: Spacing) -> tuple[Mask, Mask]:
    airway = find_airway(hu, air, spacing)
    if airway.any():
        airway = dilate(airway, AIRWAY_WALL, spacing)
    right, left = _two_sides(_lung_pieces(hu, air & ~airway, spacing), spacing)
    if not right.any():
        return right, left
    filled_right, filled_left = _fill(right, spacing), _fill(left, spacing)
    return filled_right & ~left & ~airway, filled_left & ~filled_right & ~airway


def enclosed(mask: Mask) -> Mask:
    """The parts of a mask that its complement surrounds within their slice.

    Of air these are lungs, airway and bowel, but not the room, the padding or the gap over the table.
    """
    labels = sections(mask)
    edges = [labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]]
    outer = np.zeros(int(labels.max(initial=0)) + 1, np.bool_)
    outer[0] = True
    for edge in edges:
        outer[edge] = True
    return np.asarray(~outer[labels])


def dilate(mask: Mask, radius: float, spacing: Spacing) -> Mask:
    """All voxels within ``radius`` mm of the mask."""
    return np.asarray(_distance(~mask, spacing) <= radius)


def _distance(mask: Mask, spacing: Spacing, ends: bool = False) -> NDArray[np.float32]:
    """mm to the nearest voxel outside the mask, which goes on beyond the volume unless it ``ends`` there."""
    solid = np.ascontiguousarray(mask)
    distance: NDArray[np.float32] = edt.edt(solid, anisotropy=spacing, black_border=ends, parallel=2)
    return distance


def _box(mask: Mask, margin: float, spacing: Spacing) -> tuple[slice, ...]:
    """The box around a mask that is not empty, with a margin in mm."""
    box = []
    for axis, step in enumerate(spacing):
        where = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        reach = int(np.ceil(margin / step)) + 1
        box.append(slice(max(int(where[0]) - reach, 0), int(where[-1]) + reach + 1))
    return tuple(box)


def _lung_pieces(hu: NDArray[np.float32], air: Mask, spacing: Spacing) -> Mask:
    """Pieces of air that are large enough and dense enough to be lung."""
    labels = cc3d.connected_components(air, connectivity=6)
    counts = np.bincount(labels.ravel())
    mean = np.bincount(labels.ravel(), weights=hu.ravel()) / np.maximum(counts, 1)
    keep = (counts * np.prod(spacing) >= SMALLEST_PIECE * 1000) & (mean >= MEAN_HU[0]) & (mean <= MEAN_HU[1])
    keep[0] = False
    return np.asarray(keep[labels])


def _two_sides(aerated: Mask, spacing: Spacing) -> tuple[Mask, Mask]:
    """Right and left part. Touching lungs are eroded until they part, then grown back to a common border."""
    depth = aerated.astype(np.float32)  # only where the lungs touch is the distance needed
    for radius in EROSIONS:
        labels = cc3d.connected_components(depth > radius, connectivity=6)
        pair = _pair(labels, spacing)
        if pair is not None:
            seeds = (labels == pair[0]) * np.uint8(1) + (labels == pair[1]) * np.uint8(2)
            sides = segment.watershed(-depth, seeds, mask=aerated) if radius else seeds
            _assign_rest(sides, aerated)
            return sides == 1, sides == 2
        if not radius:
            depth = _distance(aerated, spacing)
    return np.zeros_like(aerated), np.zeros_like(aerated)


def _pair(labels: Labels, spacing: Spacing) -> tuple[int, int] | None:
    """The two largest components that lie side by side, (right, left)."""
    facts: Any = cc3d.statistics(labels)
    voxels = facts["voxel_counts"]
    large = [k for k in range(1, len(voxels)) if voxels[k] * np.prod(spacing) >= SMALLEST_PIECE * 1000]
    large.sort(key=lambda k: -int(voxels[k]))
    spans = {k: _span(labels, facts["bounding_boxes"][k], k) for k in large[:6]}
    for one, two in combinations(spans, 2):
        (low, middle, high), (other_low, other_middle, other_high) = spans[one], spans[two]
        beside = not low < other_middle < high and not other_low < middle < other_high
        if beside and abs(middle - other_middle) * spacing[2] >= APART:
            return (one, two) if middle < other_middle else (two, one)
    return None


def _span(labels: Labels, box: tuple[slice, slice, slice], label: int) -> tuple[float, float, float]:
    """5th, 50th and 95th percentile of a component's columns."""
    profile = (labels[box] == label).sum(axis=(0, 1)).cumsum()
    low, middle, high = np.searchsorted(profile, profile[-1] * np.array([0.05, 0.5, 0.95])) + box[2].start
    return float(low), float(middle), float(high)


def _assign_rest(sides: NDArray[Any], aerated: Mask) -> None:
    """Give pieces that touch neither lung (beyond fluid, a scar) to the lung whose extent holds their centre."""
    labels = cc3d.connected_components(aerated & (sides == 0), connectivity=6)
    rest = cc3d.statistics(labels)
    boxes = cc3d.statistics(sides.astype(np.uint8))["bounding_boxes"]
    for label in range(1, len(rest["voxel_counts"])):
        centre = rest["centroids"][label]
        for side in (1, 2):
            if all(part.start <= c < part.stop for part, c in zip(boxes[side], centre, strict=True)):
                sides[labels == label] = side
                break


def _fill(lung: Mask, spacing: Spacing) -> Mask:
    """Close the lung by ``CLOSING`` and fill what a slice of it surrounds."""
    box = _box(lung, CLOSING, spacing)
    grown = dilate(lung[box], CLOSING, spacing)
    filled = lung.copy()
    filled[box] |= _distance(grown, spacing, ends=True) > CLOSING  # a cut lung must not grow at the cut
    return np.asarray(filled | enclosed(~filled))
