"""Who is drawn: a seeded population of patients, contrast injections and scans.

All lengths in mm, all intensities in HU. Distributions are rounded from what chest radiology textbooks give for adults;
they are wide on purpose, for a network trained on them has to carry over to scanners and patients it never saw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kernel = Literal["soft", "standard", "lung"]


@dataclass(frozen=True)
class Patient:
    """Body and chest of one patient.

    Attributes:
        male: sex. age: years. height: cm.
        scale: size of the chest relative to that of a man of 176 cm.
        fat: thickness of the subcutaneous fat.
        half_width, half_depth: semi-axes of the inner chest at its widest.
        apex, base: height (z) of the lung apices and of the dome level above the carina's.
        breath: shift of the diaphragm from the mean breath level.
        calibre: size of the great vessels relative to the body.
        breast: radius of the breasts; 0 where there is none to see. glandular: their share of glandular tissue.
        muscle: thickness of the chest's muscles relative to the average.
        arms_up: the arms lie beside the head; else beside the chest.
    """

    male: bool
    age: float
    height: float
    scale: float
    fat: float
    half_width: float
    half_depth: float
    apex: float
    base: float
    breath: float
    calibre: float
    breast: float
    glandular: float
    muscle: float
    arms_up: bool

    @property
    def wall(self) -> float:
        """Thickness of ribs and muscle around the chest, mm."""
        return 26.0 * self.scale

    @property
    def body(self) -> tuple[float, float]:
        """Semi-axes of the body, mm: left-right, front-back."""
        return self.half_width + self.wall + self.fat, self.half_depth + 0.8 * (self.wall + self.fat)


@dataclass(frozen=True)
class BloodPool:
    """HU of blood without contrast, and what the contrast adds to each compartment."""

    plain: float
    artery: float
    right_ventricle: float
    right_atrium: float
    vein: float
    aorta: float
    superior_cava: float
    inferior_cava: float


@dataclass(frozen=True)
class Scan:
    """How the scanner sees.

    Attributes:
        kernel: reconstruction kernel.
        in_plane: standard deviation of the in-plane point spread, mm.
        slice_width: full width of the slice profile, mm.
        noise: standard deviation of the noise, HU.
    """

    kernel: Kernel
    in_plane: float
    slice_width: float
    noise: float


def draw_patient(rng: np.random.Generator, arms_up: bool) -> Patient:
    """A patient of the population; how the arms lie is decided with the switches."""
    male = bool(rng.random() < 0.55)
    age = float(np.clip(rng.normal(56.0, 13.0), 20.0, 90.0))
    average = 176.0 if male else 163.0
    height = float(np.clip(rng.normal(average, 6.8), average - 20.0, average + 20.0))
    # A woman's chest is nearly as large as a man's, though she is shorter.
    scale = (1.0 if male else 0.945) * (height / average) ** 0.7 * float(np.clip(rng.normal(1.0, 0.04), 0.9, 1.1))
    breath = float(rng.uniform(-12.0, 12.0))
    return Patient(
        male=male,
        age=age,
        height=height,
        scale=scale,
        fat=float(np.clip(rng.normal(20.0 if male else 25.0, 9.0), 6.0, 50.0)),
        half_width=126.0 * scale * float(np.clip(rng.normal(1.0, 0.05), 0.88, 1.12)),
        half_depth=88.0 * scale * float(np.clip(rng.normal(1.0, 0.06), 0.85, 1.18)),
        apex=100.0 * scale * float(np.clip(rng.normal(1.0, 0.06), 0.85, 1.15)),
        base=-132.0 * scale * float(np.clip(rng.normal(1.0, 0.07), 0.8, 1.2)),
        breath=breath,
        calibre=float(np.clip(rng.normal(1.0, 0.09), 0.8, 1.35)),
        breast=float(rng.uniform(6.0, 14.0) if male else rng.uniform(30.0, 62.0)),
        # Glands give way to fat with age.
        glandular=0.05 if male else float(np.clip(rng.normal(0.75 - age / 120.0, 0.2), 0.05, 0.9)),
        muscle=float(np.clip(rng.normal(1.05 if male else 0.85, 0.15), 0.6, 1.5)),
        arms_up=arms_up,
    )


def draw_blood(rng: np.random.Generator) -> BloodPool:
    """A contrast injection: every compartment has its own bolus timing."""
    plain = float(np.clip(rng.normal(42.0, 4.5), 30.0, 55.0))
    artery = float(np.clip(rng.normal(330.0, 80.0), 150.0, 520.0)) - plain
    vein = float(np.clip(artery * rng.normal(0.95, 0.17), 110.0, 500.0))
    return BloodPool(
        plain=plain,
        artery=artery,
        right_ventricle=artery * float(rng.normal(0.95, 0.05)),
        right_atrium=artery * float(np.clip(rng.normal(0.9, 0.12), 0.5, 1.3)),
        vein=vein,
        aorta=float(np.clip(vein * rng.normal(0.95, 0.08), 90.0, 480.0)),
        superior_cava=float(np.clip(rng.normal(420.0, 180.0), 100.0, 900.0)),
        inferior_cava=float(np.clip(rng.normal(90.0, 50.0), 10.0, 250.0)),
    )


def draw_scan(rng: np.random.Generator, kernel: Kernel | None = None) -> Scan:
    """A scanner setting. ``kernel`` fixes the reconstruction kernel."""
    kernels: tuple[Kernel, ...] = ("soft", "standard", "lung")
    drawn = kernels[int(rng.choice(3, p=[0.35, 0.5, 0.15]))]
    kernel = kernel or drawn
    spread = {"soft": 0.85, "standard": 0.65, "lung": 0.45}[kernel]
    noise = {"soft": 12.0, "standard": 17.0, "lung": 38.0}[kernel]
    return Scan(
        kernel=kernel,
        in_plane=spread * float(rng.uniform(0.85, 1.15)),
        slice_width=float(rng.uniform(0.8, 1.4)),
        noise=noise * float(np.exp(rng.normal(0.0, 0.3))),
    )
