"""A phantom's truth as files: NIfTI for voxels, JSON for graphs and lists."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK
from highdicom import Volume

from pulmomap.phantom.generations import generations
from pulmomap.phantom.lobes import Lobe, Segment
from pulmomap.phantom.space import Branching
from pulmomap.phantom.thorax import BreathingScan, Phantom


def write_truth(phantom: Phantom, folder: Path, breathing: BreathingScan | None = None) -> None:
    """Labels and segments as NIfTI (with their names), the trees as graphs, the nodules as a list, the breath."""
    folder.mkdir(parents=True, exist_ok=True)
    nibabel.save(phantom.labels.to_nibabel(), folder / "labels.nii.gz")
    _write_json(folder / "labels.json", phantom.label_names)
    nibabel.save(phantom.segments.to_nibabel(), folder / "segments.nii.gz")
    _write_json(folder / "segments.json", {segment.name.lower(): int(segment) for segment in Segment})
    _write_json(folder / "vessels.json", graphs(phantom))
    _write_json(folder / "nodules.json", nodules(phantom))
    if breathing is not None:
        write_displacement(breathing.displacement, folder / "displacement.nii.gz")


def nodules(phantom: Phantom) -> list[dict[str, Any]]:
    """Centre (LPS mm), diameter (mm), lobe, density and place of each nodule."""
    return [
        {
            "name": f"nodule_{number}",
            "centre_lps_mm": [round(float(value), 3) for value in nodule.centre],
            "diameter_mm": round(nodule.diameter, 2),
            "lobe": nodule.lobe.name.lower(),
            "kind": nodule.kind,
            "place": nodule.plan.place,
            "spiculated": bool(len(nodule.plan.spicules)),
        }
        for number, nodule in enumerate(phantom.nodules, start=1)
    ]


def graphs(phantom: Phantom) -> dict[str, Any]:
    """The trees: positions (LPS mm), radii (mm), parents (index, -1 at the root), generation, level, lobe, segment."""

    def graph(branching: Branching) -> dict[str, Sequence[Any]]:
        tree = branching.tree
        return {
            "lps_mm": np.round(np.array(tree.points), 2).tolist(),
            "radius_mm": np.round(branching.radii, 3).tolist(),
            "parent": [int(parent) for parent in tree.parents],
            "generation": generations(tree, branching.radii).tolist(),
            "level": branching.levels.tolist(),
            "lobe": [Lobe(lobe).name.lower() if lobe else None for lobe in tree.lobes],
            "segment": [Segment(segment).name.lower() if segment else None for segment in tree.segments],
        }

    trees = phantom.trees
    return {
        "airway": graph(trees.airways),
        "pulmonary_artery": graph(trees.arteries),
        "pulmonary_vein": graph(trees.veins),
    }


def write_displacement(field: Volume, path: Path) -> None:
    """Write a field of vectors (mm, LPS) as ITK does, so that SimpleITK and elastix read it as a displacement field."""
    image = SimpleITK.GetImageFromArray(np.asarray(field.array, dtype=np.float64), isVector=True)
    image.SetSpacing([float(value) for value in field.spacing[::-1]])
    image.SetOrigin([float(value) for value in field.position])
    SimpleITK.WriteImage(image, str(path))


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
