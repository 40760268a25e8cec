"""NCCT to Syn-CECT.

The network predicts the *enhancement*: the HU that contrast agent would add. Only that is resampled from the network's
grid back to the scan's and added to the scan, so that the Syn-CECT keeps the scan's own resolution and noise, and away
from the lungs and the heart it *is* the scan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pulmomap.case import ModelIdentity, Ncct, SynCect
from pulmomap.imaging.between_lungs import between_the_lungs, closeness
from pulmomap.imaging.resampling import resample_image
from pulmomap.imaging.slabs import Mode, assemble, slab_centres, slabs
from pulmomap.inference.bundle import Bundle, load_synthesis_bundle
from pulmomap.inference.bundle_spec import Preprocessing, SynthesisConfig
from pulmomap.inference.hardware import Device, Precision
from pulmomap.inference.preparation import Box, Floats, Progress, cut, lung_region, no_progress, padded, to_network
from pulmomap.inference.runtime import Runtime, open_runtime

LOWEST_HU, HIGHEST_HU = -1024, 3071  # of a 12-bit CT: what the result is clipped to


class SynthesisSettings(BaseModel):
    """How the Syn-CECT is made. What belongs to the weights stands in their bundle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch: int = Field(4, ge=1, le=64, description="stacks of slices at a time; more need more memory")
    taper_mm: float = Field(5.0, ge=0, le=50, description="mm over which the enhancement fades at the region's border")
    only_between_lungs: bool = Field(
        True, description="enhance the lungs and what lies between them only, not chest wall, arm pits and neck"
    )

    @property
    def identity(self) -> str:
        """The settings that decide the result, as text."""
        return f"taper_mm={self.taper_mm:g} only_between_lungs={self.only_between_lungs}"


@dataclass(frozen=True)
class ContrastModel:
    """A contrast synthesiser that is ready to run."""

    bundle: Bundle[SynthesisConfig]
    runtime: Runtime
    settings: SynthesisSettings = field(default_factory=SynthesisSettings)


def open_contrast_model(
    folder: Path,
    settings: SynthesisSettings | None = None,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: int = 0,
) -> ContrastModel:
    """Load a bundle and put it on a device.

    Raises:
        BundleError: see :func:`pulmomap.inference.bundle.load_bundle` and
            :func:`pulmomap.inference.runtime.open_runtime`.
    """
    bundle = load_synthesis_bundle(folder)
    return ContrastModel(bundle, open_runtime(bundle, device, precision, threads), settings or SynthesisSettings())


def synthesise(ncct: Ncct, model: ContrastModel, progress: Progress = no_progress) -> SynCect:
    """Make the Syn-CECT of a scan.

    Args:
        ncct: any orientation and spacing.
        model: from :func:`open_contrast_model`.
        progress: is told the part that is done, 0 to 1.

    Returns:
        int16 HU in [-1024, 3071] on exactly the scan's grid.
    """
    bundle, settings = model.bundle, model.settings
    preprocessing, inference = bundle.config.preprocessing, bundle.config.inference

    def enhancement(image: Volume) -> Volume:
        return by_stacks(image, model.runtime, bundle.stride, inference.assembly, settings.batch, progress)

    identity = replace(bundle.identity, settings=settings.identity)
    return enhanced(ncct, enhancement, preprocessing, inference.lung_margin_mm, settings, identity)


def enhanced(
    ncct: Ncct,
    enhancement_of: Callable[[Volume], Volume],
    preprocessing: Preprocessing,
    lung_margin: float,
    settings: SynthesisSettings,
    identity: ModelIdentity,
) -> SynCect:
    """The scan with an enhancement added to it, whatever network it is from.

    Args:
        ncct: any orientation and spacing.
        enhancement_of: from the region of the lungs on the network's grid to what is added there, on that grid; both in
            network units.
        preprocessing: that grid and that unit.
        lung_margin: mm around the lungs that the network sees.
        settings: where the enhancement may be, and how it fades. The batch size is not looked at.
        identity: of what made it.

    Returns:
        int16 HU in [-1024, 3071] on exactly the scan's grid.
    """
    box = lung_region(ncct, lung_margin)
    part = cut(ncct.volume, box)
    enhancement = enhancement_of(to_network(part, preprocessing))
    enhancement.array *= np.float32(preprocessing.scale_hu)
    if settings.only_between_lungs:
        spacing = enhancement.spacing
        hull = between_the_lungs(ncct.lungs, enhancement)
        enhancement.array *= closeness(hull, (spacing[0], spacing[1], spacing[2]), settings.taper_mm)
    added = resample_image(enhancement, part, fill=0.0).array
    _fade(added, part, box, ncct.volume.spatial_shape, settings.taper_mm)
    syn = whole_hu(ncct.volume.array)
    for below, scan, more in zip(syn[box], part.array, added, strict=True):
        below[...] = whole_hu(scan + more)
    return SynCect(ncct, ncct.volume.with_array(syn), identity)


def by_stacks(
    image: Volume, runtime: Runtime, stride: int, mode: Mode, batch: int = 4, progress: Progress = no_progress
) -> Volume:
    """A 2.5D network's answer to a whole volume.

    Args:
        image: on the network's grid, network units.
        runtime: (batch, 3, rows, columns) to the same.
        stride: rows and columns must be multiples of it; the border is repeated as far as that takes.
        mode: how the answers of neighbouring stacks become one.
        batch: stacks at a time.
        progress: is told the part that is done, 0 to 1.
    """
    stacked = padded(image.array, (1, 2), stride)
    answers = _answers(stacked, mode, runtime, batch, progress)
    _, rows, columns = image.array.shape
    return image.with_array(assemble(answers, len(stacked), mode)[:, :rows, :columns])


def _answers(image: Floats, mode: Mode, runtime: Runtime, batch: int, progress: Progress) -> Iterator[Floats]:
    """The network's answers to all stacks, batch by batch. The last batch is filled up: one shape, one compilation."""
    centres = slab_centres(len(image), mode)
    batch = min(batch, len(centres))
    for first in range(0, len(centres), batch):
        chosen = centres[first : first + batch]
        filled = np.pad(chosen, (0, batch - len(chosen)), mode="edge")
        yield runtime(slabs(image, filled))[: len(chosen)]
        progress((first + len(chosen)) / len(centres))


def _fade(added: Floats, part: Volume, box: Box, size: tuple[int, ...], taper: float) -> None:
    """Let the enhancement fade to nothing towards the box's faces, in place; not where the scan itself ends."""
    for axis, (side, voxels, spacing) in enumerate(zip(box, size, part.spacing, strict=True)):
        count = added.shape[axis]
        depth = np.full(count, np.inf)  # mm from the nearest face inside the scan
        if side.start > 0:
            depth = np.minimum(depth, np.arange(count) * spacing)
        if side.stop < voxels:
            depth = np.minimum(depth, np.arange(count)[::-1] * spacing)
        if taper > 0 and depth.min() < taper:
            ramp = np.clip(depth / taper, 0, 1).astype(np.float32)
            added *= ramp.reshape([-1 if other == axis else 1 for other in range(3)])


def whole_hu(hu: NDArray[np.number]) -> NDArray[np.int16]:
    """HU of any shape as the integers that a 12-bit CT holds."""
    return np.rint(np.clip(hu, LOWEST_HU, HIGHEST_HU)).astype(np.int16)
