"""A network of nnU-Net's as a bundle of ours, which the application runs as it runs any other segmenter."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from training.export import data_facts, read_rows, write_bundle
from training.nnunet.fit import FACTS, MODEL, PRESET
from training.nnunet.preset import NnunetPreset
from training.nnunet.trained import Trained, clip_range, model_folder, read_trained
from training.store import split_digest

OVERLAP, LUNG_MARGIN = 0.5, 15.0
"""nnU-Net's own, and that of our recipes, for networks that were trained elsewhere."""


def is_nnunet_run(run: Path) -> bool:
    """Whether the folder is a run of ``fit nnunet``, or nnU-Net's own folder of a network."""
    return (run / PRESET).is_file() or model_folder(run) is not None


def run(args: argparse.Namespace) -> int:
    """The `export` command for such a folder."""
    rows, held_out = read_rows(args.evaluation, "segmentation")
    trained = read_trained(args.run / MODEL if (args.run / PRESET).is_file() else args.run)
    preset = _preset(args.run)
    inference = {
        "network_def": trained.network_def(),
        "preprocessing": {
            "orientation": "HPL",
            "spacing_mm": trained.spacing,
            "clip_hu": clip_range(trained.intensities),
            "scale_hu": 1.0,
        },
        "inference": {
            "lung_margin_mm": preset.lung_margin_mm if preset else LUNG_MARGIN,
            "window": trained.patch,
            "overlap": preset.overlap if preset else OVERLAP,
            "fixed_window": True,
        },
    }
    metadata = {
        "name": "vessel_segmentation",
        "version": args.version,
        "description": _description(trained),
        "task": "segmentation",
        "recipe": preset.name if preset else "nnU-Net, trained elsewhere",
        "seed": preset.seed if preset else "unknown",
        **_origin(args.run, trained),
        "held_out": held_out,
        "metrics": rows or {},
    }
    write_bundle(args.out, metadata, inference, trained.weights(), any_size=args.any_size)
    return 0


def _preset(run: Path) -> NnunetPreset | None:
    path = run / PRESET
    return NnunetPreset.model_validate_json(path.read_text(encoding="utf-8")) if path.is_file() else None


def _description(trained: Trained) -> str:
    channels = trained.dataset.get("channels") or list(trained.dataset["channel_names"].values())
    mirrored = trained.state.get("inference_allowed_mirroring_axes")
    how = "trained with mirroring, run without" if mirrored else "trained without mirroring"
    return f"Pulmonary arteries and veins by nnU-Net ({how}) from {' and '.join(channels)}"


def _origin(run: Path, trained: Trained) -> dict[str, Any]:
    """Who was trained on, how long, by which code."""
    lengths = trained.state["logging"]
    epochs = int(trained.state["current_epoch"])
    facts = run / FACTS
    if not facts.is_file():
        data: dict[str, Any] = {
            "summary": "Cases of another site, trained by nnU-Net outside PulmoMAP.",
            "train_cases": trained.dataset.get("numTraining", "unknown"),
            "validation_cases": "unknown",
            "seeds": "unknown",
            "split": "unknown",
            "drawn_by": ["unknown"],
        }
        return {"git_commit": "unknown", "started_from": "unknown", "steps": epochs, "seconds": "unknown", "data": data}
    known = json.loads(facts.read_text(encoding="utf-8"))
    preset = _preset(run)
    assert preset is not None  # noqa: S101 - for the type checker
    seconds = sum(end - begin for begin, end in _epochs(lengths))
    return {
        "git_commit": known["commit"],
        "started_from": "random weights",
        "steps": epochs * preset.iterations,
        "seconds": round(seconds),
        "data": data_facts({**known, "split": split_digest(known["cases"])}),
    }


def _epochs(logging: dict[str, Any]) -> list[tuple[float, float]]:
    return list(zip(logging["epoch_start_timestamps"], logging["epoch_end_timestamps"], strict=False))
