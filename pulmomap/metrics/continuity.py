"""Vessels that a synthetic contrast scan leaves out, and vessels that it invents.

An image is judged by what it adds to the non-contrast scan it was made from, beside what the contrast scan adds. Both
enhancements are smoothed (Gaussian, sigma :data:`SMOOTHING` mm), for the noise of two scans lies in the true one.

* A **hole** is a run of the true centre lines that stays dark: voxels that touch (26 neighbours), where the contrast
  scan adds :data:`BRIGHT` HU or more and the image adds less than half of that, longer than :data:`LONGEST` mm.
* An **invented vessel** is a connected part (26 neighbours) of what the image brightens by :data:`BRIGHT` HU or more,
  farther than :data:`REACH` mm from every labelled vessel and from all that the contrast scan brightens by half of
  that, whose own centre line is longer than :data:`LONGEST` mm. A ball has a centre line of one point and is none.

Both are counted per metre of the true centre line that the contrast scan brightens, so that large and small patients,
and great and fine phantoms, can be compared. :data:`RATE` a metre is what we hold acceptable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cc3d
import edt
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pulmomap.metrics.outcome import Outcome, Status, require_one_shape
from pulmomap.metrics.skeleton import Skeleton, skeletonise

SMOOTHING = 1.0
"""mm."""

BRIGHT = 100.0
"""HU."""

REACH = 2.0
"""mm."""

LONGEST = 5.0
"""mm: of a hole or an invented vessel that is let pass."""

RATE = 1.0
"""Holes, and likewise invented vessels, in a metre of true centre line that are held acceptable."""

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Truth:
    """What the contrast scan shows of one case; shared by all images of it.

    Attributes:
        enhancement: smoothed, HU.
        lines: the true centre lines where the contrast scan brightens them.
        plain: voxels farther than :data:`REACH` from every vessel and from all that the contrast scan brightens.
        metres: of those lines.
    """

    enhancement: Floats
    lines: tuple[Skeleton, ...]
    plain: Mask
    metres: float


@dataclass(frozen=True)
class Continuity:
    """Holes and invented vessels of one image.

    Attributes:
        holes: length of each hole, mm, longest first.
        invented: length of each invented vessel, mm, longest first.
        metres: of true centre line.
    """

    holes: tuple[float, ...]
    invented: tuple[float, ...]
    metres: float

    @property
    def holes_per_metre(self) -> Outcome:
        return self._rate(len(self.holes))

    @property
    def invented_per_metre(self) -> Outcome:
        return self._rate(len(self.invented))

    @property
    def holes_share(self) -> Outcome:
        """Share of the true centre lines' length that lies in holes."""
        return self._rate(sum(self.holes) / 1000)

    def _rate(self, amount: float) -> Outcome:
        return Outcome(amount / self.metres) if self.metres else Outcome.missing(Status.REF_EMPTY)


def truth_of(ncct: Array, cect: Array, vessel: Array, lines: Iterable[Skeleton], spacing: Spacing) -> Truth:
    """What a contrast scan shows.

    Args:
        ncct, cect: HU, of one shape and grid.
        vessel: mask of the true vessels, same shape.
        lines: their centre lines.
        spacing: mm.

    Raises:
        ValueError: the shapes differ.
    """
    require_one_shape(ncct, cect, vessel)
    enhancement = smoothed(cect, ncct, spacing)
    bright = tuple(line.part(enhancement[tuple(line.points.T)] >= BRIGHT) for line in lines)
    lit = (vessel != 0) | (enhancement >= BRIGHT / 2)
    plain = edt.edt(~lit, anisotropy=spacing, black_border=False, parallel=1) > REACH
    return Truth(enhancement, bright, plain, sum(line.length for line in bright) / 1000)


def continuity(image: Array, ncct: Array, truth: Truth, spacing: Spacing) -> Continuity:
    """Find holes and invented vessels.

    Args:
        image: the synthetic contrast scan, HU.
        ncct: what it was made from.
        truth: from :func:`truth_of`.
        spacing: mm.

    Raises:
        ValueError: the shapes differ.
    """
    require_one_shape(image, ncct, truth.enhancement)
    added = smoothed(image, ncct, spacing)
    holes = [length for line in truth.lines for length in _runs(line, _unlit(line, added, truth.enhancement))]
    invented = _tubes((added >= BRIGHT) & truth.plain, spacing)
    return Continuity(_long(holes), _long(invented), truth.metres)


def smoothed(after: Array, before: Array, spacing: Spacing) -> Floats:
    """The smoothed enhancement of one image over another, HU."""
    gain = after.astype(np.float32) - before.astype(np.float32)
    return np.asarray(gaussian_filter(gain, [SMOOTHING / step for step in spacing], truncate=3.0), np.float32)


def _unlit(line: Skeleton, added: Floats, true: Floats) -> Mask:
    places = tuple(line.points.T)
    return np.asarray(added[places] < true[places] / 2)


def _runs(line: Skeleton, chosen: Mask) -> list[float]:
    """mm along each connected group of the chosen points."""
    part = line.part(chosen)
    if not part.voxels:
        return []
    edges = part.edges
    graph = coo_array((np.ones(len(edges)), tuple(edges.astype(np.int32).T)), shape=(part.voxels,) * 2)
    groups = connected_components(graph.tocsr(), directed=False)[1]
    # A run of fewer voxels than this cannot be longer than what is let pass.
    least = LONGEST / (max(line.spacing) * 3**0.5)
    sizes = np.bincount(groups)
    return [part.part(groups == number).length for number in np.flatnonzero(sizes > least)]


def _tubes(mask: Mask, spacing: Spacing) -> list[float]:
    """mm of centre line of each connected part."""
    parts, count = cc3d.connected_components(mask, connectivity=26, return_N=True)
    boxes = cc3d.statistics(parts)["bounding_boxes"] if count else []
    lengths = []
    for number, box in enumerate(boxes[1:], start=1):
        sides = [(side.stop - side.start) * step for side, step in zip(box, spacing, strict=True)]
        if np.linalg.norm(sides) > LONGEST:
            lengths.append(skeletonise(parts[box] == number, spacing).length)
    return lengths


def _long(lengths: list[float]) -> tuple[float, ...]:
    return tuple(sorted((length for length in lengths if length > LONGEST), reverse=True))
