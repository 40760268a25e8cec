"""Small synthetic bodies, drawn from ellipsoids, whose lungs are known exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from highdicom import Volume
from numpy.typing import NDArray

Ellipsoid = tuple[tuple[float, float, float], tuple[float, float, float]]  # LPS centre (x, y, z), radii (x, y, z), mm

RIGHT_LUNG: Ellipsoid = ((-85, 0, 0), (50, 80, 120))
LEFT_LUNG: Ellipsoid = ((85, 0, 0), (55, 80, 125))


@dataclass
class Body:
    """A chest in a field of view of 360 x 272 x 300 mm. Later entries of ``extra`` are drawn over earlier ones."""

    spacing: float = 4.0
    lungs: tuple[Ellipsoid, ...] = (RIGHT_LUNG, LEFT_LUNG)
    lung_hu: float = -850.0
    blood_hu: float = 40.0
    airway: bool = True
    extra: tuple[tuple[Ellipsoid, float], ...] = ()
    noise: float = 20.0
    shape: tuple[int, int, int] = field(init=False)
    grid: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.shape = (int(300 / self.spacing), int(272 / self.spacing), int(360 / self.spacing))
        index = np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in self.shape], indexing="ij")
        self.grid = np.stack(index[::-1]) * self.spacing  # LPS x, y, z

    def within(self, shape: Ellipsoid) -> NDArray[np.bool_]:
        centre, radii = (np.array(v, dtype=float)[:, None, None, None] for v in shape)
        inside: NDArray[np.bool_] = (((self.grid - centre) / radii) ** 2).sum(axis=0) <= 1
        return inside

    @property
    def affine(self) -> NDArray[np.float64]:
        affine = np.eye(4)
        affine[:3, :3] = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]]) * self.spacing
        affine[:3, 3] = self.grid[:, 0, 0, 0]
        return affine

    def truth(self, lung: int) -> NDArray[np.bool_]:
        """The lung as drawn, without heart."""
        return self.within(self.lungs[lung]) & ~self.within(((10, -15, -20), (50, 45, 60)))

    def volume(self) -> Volume:
        x, y, z = self.grid
        hu = np.full(self.shape, -1000.0)
        hu[(y > 125) & (y < 135)] = -100  # the table
        hu[(x / 170) ** 2 + (y / 115) ** 2 <= 1] = -90  # fat
        hu[(x / 158) ** 2 + (y / 103) ** 2 <= 1] = 45
        hu[(np.hypot(x, y - 75) < 18)] = 220  # spine
        for lung in self.lungs:
            hu[self.within(lung)] = self.lung_hu
        hu[self.within(((10, -15, -20), (50, 45, 60)))] = self.blood_hu  # heart
        hu[(np.hypot(x - 8, y - 5) < 13) & (z > -20) & (z < 80)] = self.blood_hu  # great vessels
        if self.airway:
            hu[(np.hypot(x + 12, y - 20) < 11) & (z > 30)] = 45
            hu[(np.hypot(x + 12, y - 20) < 9) & (z > 32)] = -1000
            hu[(np.hypot(y - 20, z - 36) < 6) & (abs(x + 5) < 45)] = -1000  # main bronchi, open into both lungs
        for shape, value in self.extra:
            hu[self.within(shape)] = value
        hu += np.random.default_rng(0).normal(0, self.noise, self.shape)
        return Volume(hu.astype(np.float32), self.affine, "PATIENT", "1.2.826.0.1.3680043.8.498.2")


@pytest.fixture(scope="session")
def body() -> Callable[..., Body]:
    """Draws a body; keyword arguments are the fields of :class:`Body`."""
    return Body
