"""Where the fixed scan's points lie in the moving scan, and what follows from it for images and labels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from highdicom import Volume
from numpy.typing import NDArray

from pulmomap.imaging.oblique import Geometry
from pulmomap.imaging.registration.images import as_image, frame, on_grid
from pulmomap.imaging.registration.stages import STAGES

Floats = NDArray[np.float64]
TRANSFORM, FRAMES = "transform.h5", "frames.json"


@dataclass(frozen=True)
class Transform:
    """Points of the fixed scan to points of the moving one, both LPS mm (the direction in which images are resampled).

    Attributes:
        stages: SimpleITK transforms in the order in which a point passes through them: rigid, affine,
            B-spline, and the shift between the centroids of the lungs, from which elastix started.
        fixed_frame, moving_frame: frame of reference UIDs of the two scans; None where a scan has none.
    """

    stages: tuple[Any, ...]
    fixed_frame: str | None
    moving_frame: str | None

    def until(self, stage: str) -> Transform:
        """The transform as it was after a stage, "rigid", "affine" or "bspline"."""
        *found, shift = self.stages
        return Transform((*found[: STAGES.index(stage) + 1], shift), self.fixed_frame, self.moving_frame)

    def points(self, points: NDArray[np.floating]) -> Floats:
        """Fixed points (n, 3) in the moving scan, LPS mm."""
        composite = self._composite()
        return np.array([composite.TransformPoint(p) for p in np.asarray(points, float).tolist()]).reshape(-1, 3)

    def image(self, moving: Volume, reference: Geometry, fill: float = -1024.0) -> Volume:
        """A scan of the moving frame on a grid of the fixed frame, trilinear.

        Args:
            moving: HU.
            reference: a volume or geometry of the fixed frame.
            fill: HU where the moving scan has nothing.

        Returns:
            float32 on exactly the reference's grid.

        Raises:
            ValueError: a volume is in another frame of reference than the one that was registered.
        """
        moving = moving.with_array(np.asarray(moving.array, np.float32))
        return self._resampled(moving, reference, SimpleITK.sitkLinear, fill)

    def labels(self, moving: Volume, reference: Geometry) -> Volume:
        """A label map of the moving frame on a grid of the fixed frame, nearest neighbour; 0 where there is nothing.

        Raises:
            ValueError: as in :meth:`image`; or the labels are not integers.
        """
        if not (np.issubdtype(moving.dtype, np.integer) or moving.dtype == np.bool_):
            raise ValueError(f"labels must be integers, not {moving.dtype}: between two labels there is nothing")
        result = self._resampled(moving, reference, SimpleITK.sitkNearestNeighbor, 0)
        return result.with_array(result.array.astype(moving.dtype, copy=False))

    def displacement(self, reference: Geometry) -> Floats:
        """How far each voxel centre of a grid of the fixed frame goes: mm (slice, row, column, 3), LPS."""
        return np.asarray(SimpleITK.GetArrayFromImage(self._field(reference)))

    def jacobian(self, reference: Geometry) -> Floats:
        """Local volume of the moving scan relative to the fixed one at a grid's voxels; 0 and less where it folds.

        By differences of the displacement between neighbouring voxels.
        """
        _, spacing, _ = frame(reference)
        # ITK's filter takes a field's components for those along the grid's own axes, whatever its direction says.
        along = self.displacement(reference) @ np.asarray(reference.direction)[:, ::-1]
        field = SimpleITK.GetImageFromArray(np.ascontiguousarray(along), isVector=True)
        field.SetSpacing(spacing)
        return np.asarray(SimpleITK.GetArrayFromImage(SimpleITK.DisplacementFieldJacobianDeterminant(field)))

    def save(self, folder: Path) -> None:
        """Write ``transform.h5`` (a composite transform that ITK, SimpleITK and Slicer read) and ``frames.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        SimpleITK.WriteTransform(self._composite(), str(folder / TRANSFORM))
        frames = {"fixed": self.fixed_frame, "moving": self.moving_frame}
        (folder / FRAMES).write_text(json.dumps(frames, indent=2) + "\n", encoding="utf-8")

    def _composite(self) -> Any:
        # ITK applies the transform that was added last first.
        return SimpleITK.CompositeTransform(list(reversed(self.stages)))

    def _field(self, reference: Geometry) -> Any:
        origin, spacing, direction = frame(reference)
        size = [int(side) for side in reference.spatial_shape[::-1]]
        return SimpleITK.TransformToDisplacementField(
            self._composite(), SimpleITK.sitkVectorFloat64, size, origin, spacing, direction
        )

    def _resampled(self, moving: Volume, reference: Geometry, interpolator: int, fill: float) -> Volume:
        _check_frame("moving", self.moving_frame, moving.frame_of_reference_uid)
        _check_frame("fixed", self.fixed_frame, reference.frame_of_reference_uid)
        origin, spacing, direction = frame(reference)
        size = [int(side) for side in reference.spatial_shape[::-1]]
        image = SimpleITK.Resample(
            as_image(moving), size, self._composite(), interpolator, origin, spacing, direction, fill
        )
        return on_grid(image, reference)


def read_transform(folder: Path) -> Transform:
    """Read what :meth:`Transform.save` wrote.

    Raises:
        FileNotFoundError: one of its two files is missing.
    """
    frames = json.loads((folder / FRAMES).read_text(encoding="utf-8"))
    path = folder / TRANSFORM
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: the registration was not saved whole")
    return Transform(split(SimpleITK.ReadTransform(str(path))), frames["fixed"], frames["moving"])


def split(composite: Any) -> tuple[Any, ...]:
    """The parts of a composite transform, nested ones too, in the order in which a point passes through them."""
    if composite.GetTransformEnum() != SimpleITK.sitkComposite:
        return (composite.Downcast(),)
    composite = SimpleITK.CompositeTransform(composite)
    parts = [split(composite.GetNthTransform(n)) for n in range(composite.GetNumberOfTransforms())]
    return tuple(part for parts_of_one in reversed(parts) for part in parts_of_one)


def _check_frame(role: str, expected: str | None, found: Any) -> None:
    if expected is not None and found is not None and expected != str(found):
        raise ValueError(
            f"the {role} scan was registered in frame of reference {expected}, this volume is in {found}: register "
            "that one"
        )
