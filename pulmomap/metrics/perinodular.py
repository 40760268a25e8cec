"""Arteries and veins around a nodule: volume, fragmentation and distance.

Definitions (after the Enhance-GAN paper; connectivity and cutting, on which it is silent, are fixed here):

* The region of interest is a sphere around the nodule's centre. A voxel belongs to it when the physical distance of
  its centre is at most the radius. The image clips the sphere; the nodule's own voxels stay in.
* FragIndex = connected components of the vessel inside the region / its volume there in cm3. Components are counted
  after cutting, with the 26-neighbourhood, without a minimum size. Lower means better connected.
* The nearest vessel voxel is sought in the whole map, not only in the region.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from highdicom import Volume
from pydantic import BaseModel, ConfigDict, Field
from scipy.ndimage import label

from pulmomap.case import Measurements, Nodule, NoduleMeasurement, Vessel, VesselMap, VesselNeighbourhood
from pulmomap.metrics.region import Box, Region

CONNECTIVITY = 26
"""Neighbours that make one fragment: faces, edges and corners."""

_TOLERANCE = 1e-6
"""mm. A voxel centre exactly on the sphere is inside, whatever the affine's rounding says."""

FloatArray = npt.NDArray[np.float64]


class PerinodularSettings(BaseModel):
    """How the surroundings of a nodule are measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    roi_diameter_mm: float = Field(
        50.0, gt=0.0, le=300.0, description="mm; diameter of the sphere around the nodule's centre"
    )


def measure(vessels: VesselMap, settings: PerinodularSettings | None = None) -> Measurements:
    """Measure both vessel classes around every nodule of the case.

    Args:
        vessels: the label map, on any affine (oblique and anisotropic grids too).
        settings: None takes the defaults.

    Returns:
        One measurement a nodule, in the order of ``vessels.ncct.nodules``; none when the case has no nodule.

    Raises:
        ValueError: if the sphere of a nodule holds no voxel of the CT.
    """
    settings = settings or PerinodularSettings()
    return Measurements(
        vessels, tuple(_around(vessels.labels, nodule, settings.roi_diameter_mm) for nodule in vessels.ncct.nodules)
    )


def _around(labels: Volume, nodule: Nodule, roi_diameter: float) -> NoduleMeasurement:
    radius = roi_diameter / 2
    centre = np.asarray(nodule.centre, dtype=np.float64)
    region = ball(labels, centre, radius)
    if not region.inside.any():
        raise ValueError(
            f"the {roi_diameter:g} mm sphere around {nodule.label} at LPS "
            f"({', '.join(f'{value:.1f}' for value in nodule.centre)}) mm holds no voxel of the CT; "
            "give a nodule centre inside the scan"
        )
    cut = labels.array[region.box] * region.inside
    artery, vein = (_neighbourhood(labels, vessel, cut == vessel, centre, radius) for vessel in Vessel)
    return NoduleMeasurement(nodule, roi_diameter, artery, vein)


def _neighbourhood(
    labels: Volume, vessel: Vessel, cut: npt.NDArray[np.bool_], centre: FloatArray, radius: float
) -> VesselNeighbourhood:
    volume = float(np.count_nonzero(cut)) * _voxel_volume(labels)
    fragments = count_fragments(cut)
    distance, nearest = _nearest(labels, vessel, centre, radius)
    return VesselNeighbourhood(
        vessel=vessel,
        volume=volume,
        fragments=fragments,
        frag_index=fragments / (volume / 1000.0) if fragments else None,
        distance=distance,
        nearest=nearest,
    )


def count_fragments(mask: npt.NDArray[np.bool_]) -> int:
    """Connected components (26-neighbourhood) of a mask of the size of a nodule's surroundings."""
    # Not cc3d: its 4.1.1 stops with "maximum length exception" on boxes one voxel thick. The mask is small anyway.
    return int(label(mask, structure=np.ones((3, 3, 3)))[1])


def ball(volume: Volume, centre: FloatArray, radius: float) -> Region:
    """The voxels whose centres lie within ``radius`` mm of ``centre`` (LPS mm); may be none."""
    box = ball_box(volume, centre, radius)
    return Region(box, _squared_distances(volume, centre, box) <= (radius + _TOLERANCE) ** 2)


def ball_box(volume: Volume, centre: FloatArray, radius: float) -> Box:
    """The smallest box of indices that holds every voxel centre within ``radius`` mm of ``centre`` (LPS mm).

    A sphere under an affine is an ellipsoid; its half extent along index axis i is the radius times the norm of row i
    of the inverse affine. Clipped by the image, so it may be empty.
    """
    inverse = np.linalg.inv(volume.affine)
    middle = inverse[:3, :3] @ centre + inverse[:3, 3]
    reach = (radius + _TOLERANCE) * np.linalg.norm(inverse[:3, :3], axis=1)
    size = np.asarray(volume.spatial_shape)
    first = np.clip(np.floor(middle - reach), 0, size).astype(int)
    last = np.clip(np.ceil(middle + reach) + 1, first, size).astype(int)
    return slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2])


def _squared_distances(volume: Volume, centre: FloatArray, box: Box) -> FloatArray:
    """Squared distance (mm2) from ``centre`` (LPS mm) of each voxel centre of the box, in the box's shape."""
    affine = volume.affine
    i, j, k = np.ogrid[box]
    total = np.zeros([part.stop - part.start for part in box])
    for axis in range(3):
        offset = affine[axis, 3] - centre[axis]
        total += (affine[axis, 0] * i + affine[axis, 1] * j + affine[axis, 2] * k + offset) ** 2
    return total


def _nearest(
    labels: Volume, vessel: Vessel, centre: FloatArray, radius: float
) -> tuple[float | None, tuple[float, float, float] | None]:
    """Distance (mm) and centre (LPS mm) of the vessel's voxel nearest to ``centre``, in growing boxes."""
    whole = tuple(slice(0, size) for size in labels.spatial_shape)
    while True:
        box = ball_box(labels, centre, radius)
        found = np.argwhere(labels.array[box] == vessel) + [part.start for part in box]
        points = found @ labels.affine[:3, :3].T + labels.affine[:3, 3]
        distances = np.linalg.norm(points - centre, axis=1)
        # A box's corners lie beyond its ball: a voxel found there may be farther than one outside the box.
        if len(found) and (distances.min() <= radius or box == whole):
            tied = np.round(points[distances <= distances.min() + _TOLERANCE], 6)
            # Of voxels equally near, the storage order must not choose.
            x, y, z = tied[np.lexsort(tied.T)[0]] + 0.0
            return float(distances.min()), (float(x), float(y), float(z))
        if box == whole:
            return None, None
        radius *= 2


def _voxel_volume(volume: Volume) -> float:
    """mm3."""
    return abs(float(np.linalg.det(volume.affine[:3, :3])))
