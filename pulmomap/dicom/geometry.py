"""From the planes of a series to one volume geometry, or to the named reason why there is none.

Slices are ordered along row direction x column direction. The affine maps (slice, row, column) to LPS mm
(DICOM PS3.3 C.7.6.2.1.1, equation C.7.6.2.1-1, with the slice axis added).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from highdicom import VolumeGeometry

from pulmomap.dicom.frames import Slice
from pulmomap.dicom.header import missing
from pulmomap.dicom.spacing import check_distances, name_place
from pulmomap.dicom.tolerances import DEFAULT_TOLERANCES, GeometryTolerances
from pulmomap.refusals import Refusal, Refused

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SliceStack:
    """Slices that form a regular volume.

    Attributes:
        slices: ordered along the normal.
        affine: 4 x 4, (slice, row, column) index -> LPS mm.
    """

    slices: tuple[Slice, ...]
    affine: Array

    @property
    def shape(self) -> tuple[int, int, int]:
        """(slices, rows, columns)."""
        return (len(self.slices), self.slices[0].rows, self.slices[0].columns)

    @property
    def frame_of_reference_uid(self) -> str:
        """The first slice's."""
        return self.slices[0].frame_of_reference_uid

    @property
    def own_frames_of_reference(self) -> bool:
        """Whether every slice states another frame of reference, as some anonymisers write (all of LIDC-IDRI)."""
        return len({one.frame_of_reference_uid for one in self.slices}) > 1

    @property
    def spacing(self) -> float:
        """mm between neighbouring slices."""
        return float(np.linalg.norm(self.affine[:3, 0]))

    @property
    def extent(self) -> tuple[float, float]:
        """Where the volume begins and ends along its normal, mm from the origin of LPS."""
        first = float(self.affine[:3, 3] @ self.affine[:3, 0]) / self.spacing
        return (first - self.spacing / 2, first + (len(self.slices) - 0.5) * self.spacing)

    def geometry(self) -> VolumeGeometry:
        """The same as a highdicom geometry."""
        return VolumeGeometry(
            affine=self.affine,
            spatial_shape=self.shape,
            coordinate_system="PATIENT",
            frame_of_reference_uid=self.frame_of_reference_uid,
        )


def stack_slices(slices: Sequence[Slice], tolerances: GeometryTolerances = DEFAULT_TOLERANCES) -> SliceStack:
    """Order slices and find their common grid.

    Args:
        slices: in any order.
        tolerances: what still counts as a regular grid.

    Raises:
        Refused: MIXED_GEOMETRY, MIXED_ORIENTATION, TOO_FEW_SLICES (one position only), DUPLICATE_POSITIONS,
            GANTRY_TILT, MISSING_SLICES, IRREGULAR_SPACING, or INCOMPLETE_HEADER for impossible direction cosines.
    """
    _check_plane(slices, tolerances)
    frame = plane_frame(slices[0], tolerances)
    _check_orientation(slices, frame, tolerances)
    if len(slices) < 2:
        raise Refused(Refusal.TOO_FEW_SLICES, "the series has 1 slice, which has no slice spacing; send the whole scan")
    normal = frame[:, 0]
    ordered = sorted(slices, key=lambda one: float(np.dot(one.position, normal)))
    positions = np.array([one.position for one in ordered])
    distances = positions @ normal
    _check_duplicates(positions, distances, tolerances)
    _check_tilt(ordered, positions, frame, tolerances)
    check_distances(positions, distances, tolerances.spacing_fraction)
    affine = np.eye(4)
    affine[:3, 0] = normal * (distances[-1] - distances[0]) / (len(ordered) - 1)
    affine[:3, 1] = frame[:, 1] * ordered[0].pixel_spacing[0]
    affine[:3, 2] = frame[:, 2] * ordered[0].pixel_spacing[1]
    affine[:3, 3] = positions[0]
    return SliceStack(slices=tuple(ordered), affine=affine)


def plane_frame(one: Slice, tolerances: GeometryTolerances = DEFAULT_TOLERANCES) -> Array:
    """The unit axes of a plane as columns: normal, direction of growing row index, of growing column index (LPS).

    Raises:
        Refused: INCOMPLETE_HEADER if the direction cosines are not two perpendicular unit vectors.
    """
    along_row, along_column = np.array(one.orientation[:3]), np.array(one.orientation[3:])
    lengths = np.linalg.norm([along_row, along_column], axis=1)
    off_unit = float(np.abs(lengths - 1).max())
    if off_unit > tolerances.cosines or abs(float(along_row @ along_column)) > tolerances.cosines:
        raise missing("ImageOrientationPatient")
    along_row = along_row / lengths[0]
    along_column = along_column - along_row * (along_row @ along_column)
    along_column = along_column / np.linalg.norm(along_column)
    return np.stack([np.cross(along_row, along_column), along_column, along_row], axis=1)


def angle_to_axial(stack: SliceStack) -> float:
    """Degrees between the slice normal and the patient's long axis, 0 to 90."""
    return _degrees_between(stack.affine[:3, 0], np.array([0.0, 0.0, 1.0]))


def _check_plane(slices: Sequence[Slice], tolerances: GeometryTolerances) -> None:
    _require_one([f"{one.rows} x {one.columns}" for one in slices], "matrix sizes")
    # One for each slice is an anonymiser's fault, not a second scan: the regular grid is checked all the same.
    if len({one.frame_of_reference_uid for one in slices}) < len(slices):
        _require_one([one.frame_of_reference_uid for one in slices], "frames of reference")
    spacings = np.array([one.pixel_spacing for one in slices])
    if np.any(np.abs(spacings / spacings[0] - 1) > tolerances.pixel_spacing_fraction):
        low, high = spacings.min(axis=0), spacings.max(axis=0)
        raise Refused(
            Refusal.MIXED_GEOMETRY,
            f"the pixel spacing of the slices differs: {low[0]:g} to {high[0]:g} mm between rows, "
            f"{low[1]:g} to {high[1]:g} mm between columns; split the series by reconstruction",
        )


def _require_one(values: Sequence[str], what: str) -> None:
    counts = Counter(values)
    if len(counts) > 1:
        named = ", ".join(f"{value} ({count} slices)" for value, count in counts.most_common(3))
        raise Refused(Refusal.MIXED_GEOMETRY, f"the slices have {len(counts)} {what}: {named}; split the series")


def _check_orientation(slices: Sequence[Slice], frame: Array, tolerances: GeometryTolerances) -> None:
    orientations = np.array([one.orientation for one in slices])
    # The chord of the angle: exact for small angles, where the arc cosine of a rounded cosine is not.
    chords = np.maximum(
        np.linalg.norm(orientations[:, :3] - frame[:, 2], axis=1),
        np.linalg.norm(orientations[:, 3:] - frame[:, 1], axis=1),
    )
    others = int(np.count_nonzero(chords > np.radians(tolerances.orientation_degrees) + tolerances.cosines))
    if others:
        largest = float(np.degrees(2 * np.arcsin(np.clip(chords.max() / 2, 0, 1))))
        raise Refused(
            Refusal.MIXED_ORIENTATION,
            f"{others} of {len(slices)} slices are turned against the first, by up to {largest:.1f} degrees; "
            "split the series by orientation",
        )


def _check_duplicates(positions: Array, distances: Array, tolerances: GeometryTolerances) -> None:
    same = np.flatnonzero(np.diff(distances) < tolerances.duplicate_mm)
    if same.size:
        raise Refused(
            Refusal.DUPLICATE_POSITIONS,
            f"{same.size} of {len(distances)} slices lie where another slice lies, first at "
            f"{name_place(positions[same[0]], positions[-1] - positions[0])}; split the series by acquisition",
        )


def _check_tilt(ordered: Sequence[Slice], positions: Array, frame: Array, tolerances: GeometryTolerances) -> None:
    """Positions must run along the normal: a tilted gantry shears the volume, a wandering table breaks it."""
    normal = frame[:, 0]
    travel = positions - positions[0]
    along = travel @ normal
    sideways = travel - np.outer(along, normal)
    slope = along @ sideways / (along @ along)  # mm sideways for each mm along the normal, least squares
    beside = float(np.linalg.norm(sideways - np.outer(along, slope), axis=1).max())
    if beside > tolerances.sideways_mm:
        raise Refused(
            Refusal.MIXED_GEOMETRY,
            f"the slices do not lie behind one another: one is {beside:.1f} mm beside the stack; split the series",
        )
    angle = float(np.degrees(np.arctan(np.linalg.norm(slope))))
    drift = float(np.linalg.norm(slope) * along[-1])
    if angle > tolerances.tilt_degrees and drift > tolerances.sideways_mm:
        raise Refused(
            Refusal.GANTRY_TILT,
            f"the slices are stacked {angle:.1f} degrees off their normal ({drift:.1f} mm over the scan); "
            "send a reconstruction without tilt",
        )
    _check_stated_tilt(ordered, normal)


def _check_stated_tilt(ordered: Sequence[Slice], normal: Array) -> None:
    """A stated tilt that the orientation does not show means that the positions cannot be trusted."""
    stated = max((abs(one.gantry_tilt or 0.0) for one in ordered), default=0.0)
    shown = _degrees_between(normal, np.array([0.0, 0.0, 1.0]))
    allowed = 0.5  # degrees; tilts are set in steps of half a degree and stated rounded
    if stated > allowed and abs(stated - shown) > allowed:
        raise Refused(
            Refusal.GANTRY_TILT,
            f"GantryDetectorTilt says {stated:g} degrees, the image orientation {shown:.1f}: the geometry contradicts "
            "itself; send a reconstruction without tilt",
        )


def _degrees_between(first: Array, second: Array) -> float:
    """Angle between two lines (not rays), degrees, 0 to 90."""
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(first, second)), abs(first @ second))))
