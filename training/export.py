"""`python -m training export`: writes a run's averaged weights as a MONAI bundle with its model card."""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import monai
import safetensors.torch
import torch
from torch import Tensor

from training.card import model_card
from training.checkpoint import load_checkpoint
from training.fit import PRESET
from training.recipe import Preset, RecipeError
from training.store import ranges, split_of

LARGEST = 16 * 2**20  # bytes of one file in the repository
LICENSE = Path(__file__).parents[1] / "LICENSE"


def export(
    run: Path,
    out: Path,
    version: str,
    *,
    rows: Mapping[str, Mapping[str, float]] | None = None,
    held_out: str = "none",
    any_size: bool = False,
) -> None:
    """Write the bundle; the same run, version and figures give the same bytes.

    Args:
        run: folder of the run.
        out: folder of the bundle; its files are replaced.
        version: of the bundle.
        rows: figures for the card, one row a method.
        held_out: what they were measured on.
        any_size: write weights that are too large to ship too, for `evaluate`.

    Raises:
        RecipeError: the recipe makes no bundle, there is no checkpoint, or the weights are too large to ship.
    """
    preset = Preset.model_validate_json((run / PRESET).read_text(encoding="utf-8"))
    if preset.bundle is None:
        raise RecipeError(f"recipe {preset.name} is for comparison only; the application has no use for its network")
    state = load_checkpoint(run)
    weights = averaged_weights(state["average"])
    if not any_size and sum(tensor.nbytes for tensor in weights.values()) > LARGEST:
        raise RecipeError(
            f"the weights of {run} are larger than {LARGEST >> 20} MiB; choose fewer channels, or add --any-size for "
            "a bundle that no repository will hold"
        )
    metadata = {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json",
        "name": preset.bundle,
        "version": version,
        "description": preset.description,
        "task": preset.task,
        "intended_use": "Research only; not for clinical use",
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.split("+")[0],
        "recipe": preset.name,
        "seed": preset.seed,
        "git_commit": state["commit"],
        "started_from": state["started_from"],
        "steps": state["step"],
        "seconds": round(state["spent"]),
        "parameters": sum(tensor.numel() for tensor in weights.values()),
        "data": data_facts(state),
        "held_out": held_out,
        "metrics": rows or {},
    }
    inference = {
        "network_def": preset.network,
        "preprocessing": preset.preprocessing,
        "inference": preset.inference,
    }
    for folder in ("configs", "models", "docs"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    _write_json(out / "configs" / "metadata.json", metadata)
    _write_json(out / "configs" / "inference.json", inference)
    (out / "models" / "model.safetensors").write_bytes(safetensors.torch.save(weights))
    (out / "docs" / "README.md").write_text(
        model_card(preset.task, metadata, rows or {}, preset.preprocessing["spacing_mm"]), encoding="utf-8"
    )
    shutil.copyfile(LICENSE, out / "LICENSE")


def averaged_weights(average: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The network's weights in the weight average's state, float32, by the network's own names."""
    named = {key.removeprefix("module."): value for key, value in average.items() if key.startswith("module.")}
    return {key: named[key].float().contiguous() for key in sorted(named)}


def data_facts(state: Mapping[str, Any]) -> dict[str, Any]:
    """What the run saw, from its checkpoint."""
    names: list[str] = state["cases"]
    sides = [split_of(name) for name in names]
    phantoms = all(name.startswith("phantom-") for name in names)
    return {
        "summary": "Procedural chest phantoms only: no patient's data." if phantoms else "A site's own cases.",
        "train_cases": sides.count("train"),
        "validation_cases": sides.count("validation"),
        "seeds": ranges(int(name.removeprefix("phantom-")) for name in names) if phantoms else "none",
        "split": state["split"],
        "drawn_by": state["drawn_by"],
    }


def run(args: argparse.Namespace) -> int:
    """The `export` command."""
    if re.fullmatch(r"\d+\.\d+\.\d+", args.version) is None:
        raise RecipeError(f"{args.version!r} is not a version; write MAJOR.MINOR.PATCH")
    content = json.loads(args.evaluation.read_text(encoding="utf-8")) if args.evaluation else {}
    preset = Preset.model_validate_json((args.run / PRESET).read_text(encoding="utf-8"))
    rows = content.get(preset.task)
    held_out = content.get("held_out", "none")
    export(args.run, args.out, args.version, rows=rows, held_out=held_out, any_size=args.any_size)
    return 0


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
