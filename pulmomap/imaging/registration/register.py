"""Two scans of one patient, one call."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray

from pulmomap.imaging.registration.elastix import align
from pulmomap.imaging.registration.errors import RegistrationError
from pulmomap.imaging.registration.preparation import prepare
from pulmomap.imaging.registration.quality import DEFAULT_LIMITS, Doubt, Limits, Quality, assess, doubts
from pulmomap.imaging.registration.transform import Transform

TIMEOUT = 1800.0  # s; a pair takes half a minute on two cores


@dataclass(frozen=True)
class Registration:
    """What became of a pair.

    Attributes:
        transform: fixed points to moving points; brings the moving scan and its labels to the fixed scan's grid.
        quality: what was measured.
        doubts: why it is not to be believed; empty where it is.
        seconds: wall time of elastix.
    """

    transform: Transform
    quality: Quality
    doubts: tuple[Doubt, ...]
    seconds: float

    @property
    def plausible(self) -> bool:
        """Whether there is no reason to doubt it."""
        return not self.doubts


def register(
    fixed: Volume,
    moving: Volume,
    *,
    landmarks: tuple[NDArray[np.floating], NDArray[np.floating]] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    threads: int = 2,
    timeout: float = TIMEOUT,
) -> Registration:
    """Register two chest CTs of one patient: rigid and affine by mutual information, B-spline by correlation.

    The stages are those of the Enhance-GAN paper (three stages of elastix, 7 mm final grid, 5 resolutions); what it
    leaves open stands in ``maps/``.

    Args:
        fixed: HU; its grid is the one that stays. For training that of the contrast scan, whose labels then need no
            interpolation.
        moving: HU, in the same frame of reference or another.
        landmarks: (n, 3) LPS mm in the fixed and in the moving scan, to measure the error on; they do not steer.
        limits: what is still believed.
        threads: of elastix.
        timeout: seconds after which it is stopped.

    Raises:
        RegistrationError: there is no transform: lungs were not found, or elastix crashed, gave up or was stopped. A
            transform that came out but is implausible is no error: see ``Registration.doubts``.
    """
    for role, volume in (("fixed", fixed), ("moving", moving)):
        if volume.coordinate_system.value != "PATIENT":
            raise RegistrationError(f"the {role} scan is in the {volume.coordinate_system.value} coordinate system")
    first, second = prepare(fixed, "fixed"), prepare(moving, "moving")
    begin = time.perf_counter()
    stages = align(first, second, threads=threads, timeout=timeout)
    seconds = time.perf_counter() - begin
    transform = Transform(stages, _frame_of(fixed), _frame_of(moving))
    quality = assess(first, second, transform, landmarks)
    return Registration(transform, quality, doubts(quality, limits), seconds)


def _frame_of(volume: Volume) -> str | None:
    uid = volume.frame_of_reference_uid
    return None if uid is None else str(uid)
