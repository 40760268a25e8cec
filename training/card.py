"""The model card of a bundle: what the network is, what it was trained on, how well it does, what it must not do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.figures import table

LIMITS = {
    "synthesis": (
        "It paints the enhancement it learned from drawn chests: where real anatomy or disease differs from them, the "
        "synthetic image can be wrong and still look right.",
        "It was never shown a real CT scan, an embolism, a congenital variant, motion or metal.",
        "Thick slices and sharp kernels lie outside what it was trained on.",
    ),
    "segmentation": (
        "It tells arteries from veins by the anatomy of drawn chests; variants, resections and diseased lungs are "
        "unknown to it, and whole branches can carry the wrong name.",
        "Branches thinner than about 2 mm are often missed.",
        "It expects the Syn-CECT of the synthesiser of this release as its second channel.",
    ),
    "super_resolution": (
        "What lies between two thick slices was never measured: a structure thinner than the slices may be painted, "
        "moved or lost, and a nodule must be measured on the slices that were.",
        "It was trained on slices of 2 to 5 mm made from thin ones; gaps between slices are unknown to it.",
    ),
}

FIGURES = """On phantoms that were used neither for training nor for any choice ({held_out}), mean over patients.
PSNR in dB (R = 2000 HU), errors (MAE) in HU, in and outside PA and PV; "mcs": artery/vein
misclassification, 0 to 0.5; "length" and "branches": shares of the true tree found; "lungs": inside the lungs;
"plain": where contrast changes nothing, of the NCCT the noise floor; "holes" and "invented": stretches of more than
5 mm that stay dark in a vessel, or brighten off any vessel, per metre of vessel; "wide": vessels of 1.5 mm radius and
more; "false": share of the pleura or of nodules called vessel.

{table}"""


def model_card(
    task: str, metadata: Mapping[str, Any], rows: Mapping[str, Mapping[str, float]], spacing_mm: Sequence[float]
) -> str:
    """Write the card.

    Args:
        task: of the bundle.
        metadata: the bundle's ``metadata.json``.
        spacing_mm: of the voxels that the network sees.
        rows: figures on held-out phantoms, one row a method, "no model" among them; may be empty.
    """
    data = metadata["data"]
    spacing = " × ".join(str(side) for side in spacing_mm)
    measured = FIGURES.format(held_out=metadata["held_out"], table=table(rows)) if rows else "Not measured yet."
    limits = "\n".join(f"- {line}" for line in LIMITS[task])
    return f"""# {metadata["name"]} {metadata["version"]}

{metadata["description"]}.

**Not for clinical use.** Research software: nothing here may guide the care of a patient.

## Data

{data["summary"]}

| | |
|---|---|
| training cases | {data["train_cases"]} |
| validation cases | {data["validation_cases"]} |
| seeds | {data["seeds"]} |
| split | by patient, digest `{data["split"]}` |
| phantom source | `{", ".join(data["drawn_by"])}` |

## Training

| | |
|---|---|
| recipe | `{metadata["recipe"]}` |
| started from | {metadata["started_from"]} |
| voxel size | {spacing} mm |
| steps, seconds | {metadata["steps"]}, {metadata["seconds"]} |
| seed | {metadata["seed"]} |
| git commit | `{metadata["git_commit"]}` |
| parameters | {metadata["parameters"]:,} |

## Figures

{measured}

## Limits

- Trained on phantoms only; figures on phantoms say little about patients.
{limits}

## Licence

Apache-2.0
"""
