"""When may an object's word about a nodule be taken for this series?

Three rules: it lives in the series' frame of reference, it refers to this series if it refers to any, and what it
outlines lies inside the volume.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from highdicom.volume import VolumeGeometry

from pulmomap.case import SelectedSeries
from pulmomap.dicom.header import text

Points = npt.NDArray[np.float64]

_SLACK = 1.0
"""Voxels by which an outline may pass the outermost voxel centres: half a voxel of its own and half of rounding."""


class DistrustError(Exception):
    """The reason why an object is not believed: the rest of a sentence that begins with the object."""


@dataclass(frozen=True)
class Claim:
    """What an object says about one nodule.

    Attributes:
        centre: LPS mm.
        diameter: mm, if it can be told.
        tracking_uid: the object's own, if it has one.
    """

    centre: Points
    diameter: float | None
    tracking_uid: str | None


@dataclass(frozen=True)
class Target:
    """The series that nodules are sought for, and its grid."""

    series: SelectedSeries
    geometry: VolumeGeometry

    def require_frame(self, uid: str) -> None:
        """Raises: DistrustError unless the frame of reference is the series' own."""
        # Every slice of some anonymised series states a frame of its own; an object may have taken any of them.
        own = {self.series.frame_of_reference_uid}
        own |= {text(one.header, "FrameOfReferenceUID") for one in self.series.instances}
        if uid not in own:
            raise DistrustError(
                f"lies in the frame of reference {uid or '(none)'}, the series {self.series.series_uid} in "
                f"{self.series.frame_of_reference_uid}"
            )

    def require_series(self, uids: Collection[str]) -> None:
        """Raises: DistrustError if other series are named and this one is not."""
        if uids and self.series.series_uid not in uids:
            raise DistrustError(f"was drawn on the series {', '.join(sorted(uids))}, not on {self.series.series_uid}")

    def require_inside(self, points: Points) -> None:
        """Raises: DistrustError unless all points (n, 3) LPS mm lie inside the volume."""
        index = self.geometry.map_reference_to_indices(points)
        outside = (index < -_SLACK) | (index > np.array(self.geometry.spatial_shape) - 1 + _SLACK)
        if np.any(outside) or not np.all(np.isfinite(points)):
            raise DistrustError(
                f"places a nodule at LPS {_span(points)} mm, outside the series {self.series.series_uid}, which fills "
                f"{_span(self._corners())} mm"
            )

    def _corners(self) -> Points:
        ends = np.array(self.geometry.spatial_shape) - 1
        corners = np.array(list(np.ndindex(2, 2, 2))) * ends
        return np.asarray(self.geometry.map_indices_to_reference(corners.astype(np.float64)), dtype=np.float64)


def _span(points: Points) -> str:
    low, high = (f"({', '.join(f'{one:.1f}' for one in end)})" for end in (points.min(axis=0), points.max(axis=0)))
    return low if low == high else f"{low} to {high}"
