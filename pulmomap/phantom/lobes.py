"""Five lobes and 18 bronchopulmonary segments: their names and their borders."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pulmomap.phantom.fields import Coarse, Field
from pulmomap.phantom.population import Patient


class Lobe(IntEnum):
    """Lobes of the lungs."""

    RIGHT_UPPER = 1
    RIGHT_MIDDLE = 2
    RIGHT_LOWER = 3
    LEFT_UPPER = 4
    LEFT_LOWER = 5


class Segment(IntEnum):
    """Bronchopulmonary segments, after Boyden: 18, for the left lung shares two bronchi among four segments."""

    RIGHT_APICAL = 1
    RIGHT_POSTERIOR = 2
    RIGHT_ANTERIOR = 3
    RIGHT_LATERAL = 4
    RIGHT_MEDIAL = 5
    RIGHT_SUPERIOR = 6
    RIGHT_MEDIAL_BASAL = 7
    RIGHT_ANTERIOR_BASAL = 8
    RIGHT_LATERAL_BASAL = 9
    RIGHT_POSTERIOR_BASAL = 10
    LEFT_APICOPOSTERIOR = 11
    LEFT_ANTERIOR = 12
    LEFT_SUPERIOR_LINGULAR = 13
    LEFT_INFERIOR_LINGULAR = 14
    LEFT_SUPERIOR = 15
    LEFT_ANTEROMEDIAL_BASAL = 16
    LEFT_LATERAL_BASAL = 17
    LEFT_POSTERIOR_BASAL = 18


# Where each segment's middle lies in the box of its lobe: from the mediastinum outwards, front to back, bottom to top.
SEGMENTS: dict[Lobe, dict[Segment, tuple[float, float, float]]] = {
    Lobe.RIGHT_UPPER: {
        Segment.RIGHT_APICAL: (0.35, 0.55, 0.85),
        Segment.RIGHT_POSTERIOR: (0.65, 0.85, 0.35),
        Segment.RIGHT_ANTERIOR: (0.60, 0.20, 0.25),
    },
    Lobe.RIGHT_MIDDLE: {Segment.RIGHT_LATERAL: (0.75, 0.65, 0.60), Segment.RIGHT_MEDIAL: (0.25, 0.30, 0.45)},
    Lobe.RIGHT_LOWER: {
        Segment.RIGHT_SUPERIOR: (0.50, 0.75, 0.85),
        Segment.RIGHT_MEDIAL_BASAL: (0.10, 0.50, 0.25),
        Segment.RIGHT_ANTERIOR_BASAL: (0.60, 0.15, 0.25),
        Segment.RIGHT_LATERAL_BASAL: (0.85, 0.55, 0.25),
        Segment.RIGHT_POSTERIOR_BASAL: (0.40, 0.90, 0.20),
    },
    Lobe.LEFT_UPPER: {
        Segment.LEFT_APICOPOSTERIOR: (0.40, 0.70, 0.85),
        Segment.LEFT_ANTERIOR: (0.60, 0.25, 0.60),
        Segment.LEFT_SUPERIOR_LINGULAR: (0.75, 0.40, 0.30),
        Segment.LEFT_INFERIOR_LINGULAR: (0.45, 0.15, 0.10),
    },
    Lobe.LEFT_LOWER: {
        Segment.LEFT_SUPERIOR: (0.50, 0.75, 0.85),
        Segment.LEFT_ANTEROMEDIAL_BASAL: (0.40, 0.20, 0.25),
        Segment.LEFT_LATERAL_BASAL: (0.85, 0.55, 0.25),
        Segment.LEFT_POSTERIOR_BASAL: (0.35, 0.90, 0.20),
    },
}
# Heights at the back of the oblique fissures (right, left) and of the horizontal one, mm of an average adult: chosen so
# that the lobes take the shares of the lungs that Yamada et al. (2020) measured (docs/phantom.md).
OBLIQUE = (47.5, 51.0)
HORIZONTAL = -3.5
LOBE_OF = {segment: lobe for lobe, segments in SEGMENTS.items() for segment in segments}


class Fissures(NamedTuple):
    """Where points lie to the fissures, mm; smooth, so that borders are exact between the coarse grid's cells.

    Attributes:
        oblique: height above the oblique fissure of its side.
        horizontal: height above the horizontal fissure of the right lung.
        left: distance to the patient's left of the midline.
    """

    oblique: Field
    horizontal: Field
    left: Field

    def distance(self) -> Field:
        """Mm to the nearest fissure."""
        # Across, not upwards: the oblique fissure is steep. The horizontal one ends at it, and is the right lung's.
        to_horizontal = np.where((self.left < 0) & (self.oblique >= 0), np.abs(self.horizontal), 99.0)
        return np.asarray(np.minimum(np.abs(self.oblique) * 0.65, to_horizontal), dtype=np.float32)

    def lobes(self) -> NDArray[np.uint8]:
        """:class:`Lobe` of each point."""
        right_upper = np.where(self.horizontal >= 0, Lobe.RIGHT_UPPER, Lobe.RIGHT_MIDDLE)
        right = np.where(self.oblique < 0, Lobe.RIGHT_LOWER, right_upper)
        left = np.where(self.oblique < 0, Lobe.LEFT_LOWER, Lobe.LEFT_UPPER)
        return np.where(self.left < 0, right, left).astype(np.uint8)


def find_fissures(patient: Patient, coarse: Coarse) -> Fissures:
    """The fissures of a patient. Draws from ``coarse.rng``."""
    size = patient.scale
    starts = np.where(coarse.x < 0, OBLIQUE[0], OBLIQUE[1]) * np.float32(size)
    oblique = starts + (coarse.y - 60 * size) * 1.15 + coarse.irregular(2.0, 18.0)
    horizontal = HORIZONTAL * size + coarse.irregular(2.0, 18.0) + 0.1 * (coarse.y + 30)
    fields = (coarse.z - oblique, coarse.z - horizontal, coarse.x)
    return Fissures(*(np.asarray(one, dtype=np.float32) for one in fields))


def divide_segments(coarse: Coarse, lobes: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Field]:
    """Segment of each coarse cell, and mm to the nearest plane between two segments of its lobe."""
    segments, border = np.zeros(lobes.shape, dtype=np.uint8), np.full(lobes.shape, 99.0, dtype=np.float32)
    wave = coarse.irregular(4.0, 25.0)
    for lobe, places in SEGMENTS.items():
        inside = lobes == lobe
        if not inside.any():
            continue
        points = np.stack([axis[inside] for axis in (coarse.x, coarse.y, coarse.z)], axis=1)
        low, high = np.percentile(points, [1, 99], axis=0)
        outwards = np.array([-1.0 if points[:, 0].mean() < 0 else 1.0, 1.0, 1.0])
        middle, half = (low + high) / 2, (high - low) / 2
        seeds = middle + half * (2 * np.array(list(places.values())) - 1) * outwards
        squared = ((points[:, None, :] - seeds) ** 2).sum(axis=2)
        order = np.argsort(squared, axis=1)[:, :2]
        nearest, second = np.take_along_axis(squared, order, axis=1).T
        # Distance to the plane halfway between the two nearest middles; the wave bends it.
        apart = np.linalg.norm(seeds[order[:, 0]] - seeds[order[:, 1]], axis=1)
        to_plane = (second - nearest) / (2 * apart) + wave[inside]
        chosen = np.where(to_plane >= 0, order[:, 0], order[:, 1])
        segments[inside] = np.array(list(places))[chosen]
        border[inside] = np.abs(to_plane)
    return segments, border
