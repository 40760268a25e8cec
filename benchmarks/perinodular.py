"""The perinodular comparison of both vessels by our code, by MONAI and by surface-distance, on the same label maps.

Neither library knows regions, so what a user calls runs on the whole volume:

* ``monai_whole``: MONAI's ready-made metrics. Ours with a sphere that holds everything must give the same numbers.
* ``monai_blocks``: the numbers in the sphere, from MONAI's building blocks (mask edges and surface distances) on the
  whole volume, the sphere cut out of their results. Ours must give the same numbers.
* ``surface_distance_whole``: surface-distance, where it is installed. It measures between elements of a surface mesh,
  not between voxels: its Dice must be ours, its distances lie within a voxel of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from pulmomap.case import Vessel
from pulmomap.metrics.compare import compare

Labels = npt.NDArray[np.uint8]
Point = tuple[float, float, float]
SPACING = (1.0, 0.8, 0.8)
DIAMETER, EVERYTHING = 50.0, 1e4


def tubes(side: int, seed: int) -> tuple[Labels, Labels]:
    """A reference of winding tubes of both classes, and a prediction that is shifted by a voxel and has gaps."""
    rng = np.random.default_rng(seed)

    def field() -> npt.NDArray[np.float32]:
        smooth = gaussian_filter(rng.standard_normal((side,) * 3, dtype=np.float32), side / 32)
        return np.asarray(smooth / smooth.std(), np.float32)

    reference = np.zeros((side,) * 3, np.uint8)
    for vessel in Vessel:
        # Two smooth fields vanish together along curves.
        reference[np.hypot(field(), field()) < 0.25] = vessel
    gaps = field() > 1.5
    predicted = np.roll(reference, 1, axis=1)
    predicted[gaps] = 0
    return predicted, reference


def ours(predicted: hd.Volume, reference: hd.Volume, centre: Point, diameter: float = DIAMETER) -> list[float]:
    """Dice, HD95 and ASSD of the artery, then of the vein, in the sphere."""
    result = compare(predicted, reference, centre, diameter)
    vessels = (result.artery, result.vein)
    return [score.value for one in vessels for score in (one.local_dice, one.hd95, one.assd)]


def ours_whole(predicted: hd.Volume, reference: hd.Volume, centre: Point) -> list[float]:
    """The same in a sphere that holds the whole volume."""
    return ours(predicted, reference, centre, EVERYTHING)


def monai_whole(predicted: hd.Volume, reference: hd.Volume, _: Point) -> list[float]:
    """MONAI's ready-made metrics of the whole volume."""
    from monai.metrics import compute_average_surface_distance, compute_dice, compute_hausdorff_distance
    from torch import from_numpy

    pair = [
        from_numpy(np.stack([volume.array == vessel for vessel in Vessel])[None]) for volume in (predicted, reference)
    ]
    columns = (
        compute_dice(*pair)[0].tolist(),
        compute_hausdorff_distance(*pair, include_background=True, percentile=95, spacing=SPACING)[0].tolist(),
        compute_average_surface_distance(*pair, include_background=True, symmetric=True, spacing=SPACING)[0].tolist(),
    )
    return [value for vessel in zip(*columns, strict=True) for value in vessel]


def monai_blocks(predicted: hd.Volume, reference: hd.Volume, centre: Point) -> list[float]:
    """The numbers in the sphere by MONAI's building blocks on the whole volume."""
    from monai.metrics import compute_dice
    from monai.metrics.utils import get_mask_edges, get_surface_distance
    from torch import from_numpy

    grid = np.ogrid[tuple(slice(0, size) for size in predicted.spatial_shape)]
    squares = [(axis * step - at) ** 2 for axis, step, at in zip(grid, SPACING, centre, strict=True)]
    ball = squares[0] + squares[1] + squares[2] <= (DIAMETER / 2 + 1e-6) ** 2
    numbers = []
    for vessel in Vessel:
        masks = [volume.array == vessel for volume in (predicted, reference)]
        edges = get_mask_edges(masks[0], masks[1], crop=False)
        directed = [
            np.asarray(get_surface_distance(here & ball, there, spacing=SPACING))
            for here, there in (edges, tuple(reversed(edges)))
        ]
        dice = compute_dice(*(from_numpy(mask & ball)[None, None] for mask in masks))
        hd95 = max(float(np.percentile(one, 95)) for one in directed)
        numbers += [float(dice.item()), hd95, float(np.concatenate(directed).mean())]
    return numbers


def surface_distance_whole(predicted: hd.Volume, reference: hd.Volume, _: Point) -> list[float]:
    """surface-distance's calls for the whole volume; the mean of its two average distances stands for the ASSD."""
    import surface_distance

    numbers = []
    for vessel in Vessel:
        truth, found = (volume.array == vessel for volume in (reference, predicted))
        distances = surface_distance.compute_surface_distances(truth, found, SPACING)
        numbers += [
            float(surface_distance.compute_dice_coefficient(truth, found)),
            float(surface_distance.compute_robust_hausdorff(distances, 95)),
            float(np.mean(surface_distance.compute_average_surface_distance(distances))),
        ]
    return numbers


Method = Callable[[hd.Volume, hd.Volume, Point], list[float]]


def methods() -> dict[str, Method]:
    """What is there to be measured, ours first."""
    found: dict[str, Method] = {one.__name__: one for one in (ours, ours_whole, monai_whole, monai_blocks)}
    if find_spec("surface_distance") is not None:
        found[surface_distance_whole.__name__] = surface_distance_whole
    return found


def require_same_numbers(numbers: Mapping[str, list[float]]) -> None:
    """Raise AssertionError where two methods disagree that must not."""
    np.testing.assert_allclose(numbers["ours"], numbers["monai_blocks"], rtol=1e-5)
    np.testing.assert_allclose(numbers["ours_whole"], numbers["monai_whole"], rtol=1e-5)
    if theirs := numbers.get("surface_distance_whole"):
        np.testing.assert_allclose(theirs[::3], numbers["ours_whole"][::3], rtol=1e-9)
        np.testing.assert_allclose(theirs, numbers["ours_whole"], atol=max(SPACING))
