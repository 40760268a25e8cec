"""Closed planar outlines in space: area, centroid, and the volume of a stack of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist
from skimage.measure import points_in_poly

Points = npt.NDArray[np.float64]


def longest_diameter(points: Points) -> float:
    """The largest distance between two points of (n, 3), mm."""
    return float(pdist(points).max()) if len(points) > 1 else 0.0


def area_and_centroid(outline: Points) -> tuple[float, Points]:
    """Area in mm2 and centroid of a closed planar polygon (n, 3), mm; the mean of the points if it has no area."""
    first = outline[0]
    crosses = np.cross(outline[1:-1] - first, outline[2:] - first)
    normal = crosses.sum(axis=0)
    length = float(np.linalg.norm(normal))
    if length == 0.0:
        return 0.0, outline.mean(axis=0)
    weights = crosses @ (normal / length)
    centroids = (first + outline[1:-1] + outline[2:]) / 3
    return length / 2, (weights[:, None] * centroids).sum(axis=0) / weights.sum()


def solid_of(outlines: Sequence[Points], normal: Points, plane_distance: float) -> tuple[float, Points]:
    """Volume and centroid of parallel outlines, each standing for a slab.

    An outline inside another one of the same plane is a hole, inside a hole an island, and so on.

    Args:
        outlines: polygons (n, 3), LPS mm.
        normal: unit normal of their planes.
        plane_distance: mm between planes where there is only one.

    Returns:
        mm3 and LPS mm.
    """
    planes: dict[float, list[Points]] = defaultdict(list)
    for outline in outlines:
        planes[round(float(outline.mean(axis=0) @ normal), 2)].append(outline)
    places = np.array(sorted(planes))
    thickness = float(np.median(np.diff(places))) if len(places) > 1 else plane_distance
    area, moment = 0.0, np.zeros(3)
    for together in planes.values():
        for outline in together:
            part, centre = area_and_centroid(outline)
            sign = -1 if _depth(outline, together, normal) % 2 else 1
            area += sign * part
            moment += sign * part * centre
    if area <= 0:
        return 0.0, np.concatenate(outlines).mean(axis=0)
    return area * thickness, moment / area


def _depth(outline: Points, together: Sequence[Points], normal: Points) -> int:
    """How many other outlines of the plane lie around this one."""
    across = np.linalg.svd(normal[None, :])[2][1:].T  # two axes in the plane
    others = (one for one in together if one is not outline)
    return sum(_contains(one @ across, outline[:1] @ across) for one in others)


def _contains(polygon: Points, point: Points) -> bool:
    return bool(points_in_poly(point, polygon)[0])  # type: ignore[no-untyped-call]
