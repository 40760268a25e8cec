"""The figures and the picture of one case, as they are kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray

from pulmomap.case import Ncct, SynCect
from pulmomap.inference.segmentation import open_vessel_model, segment
from pulmomap.inference.synthesis import open_contrast_model, synthesise
from pulmomap.metrics.compare import compare
from pulmomap.metrics.continuity import Spacing, truth_of
from pulmomap.metrics.similarity import scales_of
from pulmomap.metrics.vessel import centre_lines, vessel_table
from training.evaluation.defects import defect_regions, defect_scores
from training.evaluation.enhancement import enhancement_scores
from training.evaluation.pictures import Maps, picture
from training.evaluation.rows import (
    CECT,
    CECT_VESSELS,
    NCCT,
    NCCT_VESSELS,
    SYN,
    SYN_VESSELS,
)
from training.evaluation.scores import (
    Scores,
    agreement,
    body_mask,
    image_scores,
    nodule_scores,
    vessel_scores,
)
from training.evaluation.subject import Subject, as_second_channel

Synthesise = Callable[[Ncct], SynCect]
Segment = Callable[[SynCect], NDArray[np.uint8]]


@dataclass(frozen=True)
class Networks:
    """What is evaluated, run as the application runs it.

    Attributes:
        enhance: the synthesiser.
        find: the segmenter, which sees the NCCT and a second image.
        arms: other synthesisers to compare with, by name.
        identity: SHA-256 of every weights file, by name.
    """

    enhance: Synthesise
    find: Segment
    arms: Mapping[str, Synthesise] = field(default_factory=dict)
    identity: Mapping[str, str] = field(default_factory=dict)


def open_networks(models: Path, arms: Mapping[str, Path], threads: int = 0) -> Networks:
    """Open both shipped bundles, and those of the other arms, as the application does."""
    contrast = open_contrast_model(models / "contrast_synthesis", threads=threads)
    vessels = open_vessel_model(models / "vessel_segmentation", threads=threads)
    others = {name: open_contrast_model(folder, threads=threads) for name, folder in arms.items()}

    def labels(syn: SynCect) -> NDArray[np.uint8]:
        return np.asarray(segment(syn, vessels).labels.array)

    bundles = {"contrast_synthesis": contrast.bundle.identity, "vessel_segmentation": vessels.bundle.identity}
    bundles |= {name: model.bundle.identity for name, model in others.items()}
    return Networks(
        enhance=partial(synthesise, model=contrast),
        find=labels,
        arms={name: partial(synthesise, model=model) for name, model in others.items()},
        identity={name: bundle.digest for name, bundle in bundles.items()},
    )


def measure(subject: Subject, networks: Networks, roi_diameter: float) -> tuple[dict[str, Any], bytes]:
    """Measure one case.

    Without drawn labels the reference is the segmenter's map of the true CECT, as in the Enhance-GAN paper before
    correction by hand; the row of the CECT is left out then, being the reference itself.

    Args:
        subject: the case.
        networks: to evaluate.
        roi_diameter: mm, of the sphere around a nodule.

    Returns:
        What the case's JSON file holds beside its stamp, and the picture (WebP).
    """
    ncct = subject.ncct
    cect = np.asarray(subject.cect.array)
    images = {NCCT: np.asarray(ncct.volume.array)}
    syn = networks.enhance(ncct)
    images[SYN] = np.asarray(syn.volume.array)
    found = {
        row: syn.volume.with_array(networks.find(as_second_channel(syn, second)))
        for row, second in ((NCCT_VESSELS, images[NCCT]), (SYN_VESSELS, images[SYN]), (CECT_VESSELS, cect))
    }
    reference = subject.labels or found[CECT_VESSELS]
    maps = found if subject.labels else {row: found[row] for row in (NCCT_VESSELS, SYN_VESSELS)}
    shown = picture(Maps(ncct, syn.volume, subject.cect, found, reference), roi_diameter)
    images |= {name: np.asarray(enhance(ncct).volume.array) for name, enhance in networks.arms.items()}
    regions = {
        "body": body_mask(cect),
        "lungs": np.asarray(ncct.lungs.array) > 0,
        "vessel": np.asarray(reference.array) > 0,
    }
    true = centre_lines(reference)
    where = defect_regions(reference, true, ncct.lungs, ncct.nodules, subject.airway_wall)
    first, second, third = reference.spacing
    spacing: Spacing = (first, second, third)
    shown_by_cect = truth_of(images[NCCT], cect, regions["vessel"], true.values(), spacing)
    image_rows = {
        row: image_scores(image, cect, regions) | enhancement_scores(image, images[NCCT], cect, shown_by_cect, spacing)
        for row, image in images.items()
    }
    tables = {
        row: vessel_scores(vessel_table(one, reference, ncct.lungs, true), one, reference) | defect_scores(one, where)
        for row, one in maps.items()
    }
    for row in (NCCT_VESSELS, SYN_VESSELS):
        tables[row] |= agreement(found[row], found[CECT_VESSELS])
    content = {
        "facts": _facts(subject, reference),
        "synthesis": _plain(image_rows),
        "segmentation": _plain(tables),
        "nodules": [
            {
                "name": nodule.label,
                "diameter_mm": nodule.diameter,
                "rows": _plain(
                    {
                        row: nodule_scores(compare(one, reference, nodule.centre, roi_diameter))
                        for row, one in maps.items()
                    }
                ),
            }
            for nodule in ncct.nodules
        ],
    }
    return content, shown


def _facts(subject: Subject, reference: Volume) -> dict[str, Any]:
    volume = subject.ncct.volume
    return {
        "slices": volume.spatial_shape[0],
        "shape": list(volume.spatial_shape),
        "spacing_mm": [round(float(step), 4) for step in volume.spacing],
        "nodules": len(subject.ncct.nodules),
        "reference": "labels" if subject.labels else CECT,
        "registration": subject.registration,
        "ms_ssim_scales": scales_of(volume.spatial_shape),
        "vessel_ml": round(float(np.count_nonzero(reference.array)) * reference.voxel_volume / 1000, 2),
    }


def _plain(rows: Mapping[str, Scores]) -> dict[str, dict[str, Any]]:
    """Values that JSON can hold: a number, or the word for why there is none."""
    return {row: {key: outcome.plain for key, outcome in scores.items()} for row, scores in rows.items()}
