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
SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
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
    metadata = {
        "name": preset.bundle,
        "version": version,
        "description": preset.description,
        "task": preset.task,
        "recipe": preset.name,
        "seed": preset.seed,
        "git_commit": state["commit"],
        "started_from": state["started_from"],
        "steps": state["step"],
        "seconds": round(state["spent"]),
        "data": data_facts(state),
        "held_out": held_out,
        "metrics": rows or {},
    }
    inference = {
        "network_def": preset.network,
        "preprocessing": preset.preprocessing,
        "inference": preset.inference,
    }
    write_bundle(out, metadata, inference, averaged_weights(state["average"]), any_size=any_size)


def write_bundle(
    out: Path,
    metadata: Mapping[str, Any],
    inference: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    *,
    any_size: bool = False,
) -> None:
    """Write the files of a bundle, the model card among them.

    Args:
        out: folder; its files are replaced.
        metadata: what is known of the network and its training; versions and size are added.
        inference: ``network_def``, ``preprocessing``, ``inference``.
        weights: float32, by the network's names.
        any_size: write weights that are too large to ship too.

    Raises:
        RecipeError: the weights are too large to ship.
    """
    if not any_size and sum(tensor.nbytes for tensor in weights.values()) > LARGEST:
        raise RecipeError(
            f"the weights for {out} are larger than {LARGEST >> 20} MiB; choose fewer channels, or add --any-size for "
            "a bundle that no repository will hold"
        )
    facts = {
        "schema": SCHEMA,
        **metadata,
        "intended_use": "Research only; not for clinical use",
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.split("+")[0],
        "parameters": sum(tensor.numel() for tensor in weights.values()),
    }
    for folder in ("configs", "models", "docs"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    _write_json(out / "configs" / "metadata.json", facts)
    _write_json(out / "configs" / "inference.json", inference)
    (out / "models" / "model.safetensors").write_bytes(safetensors.torch.save(dict(weights)))
    card = model_card(str(facts["task"]), facts, facts["metrics"], inference["preprocessing"]["spacing_mm"])
    (out / "docs" / "README.md").write_text(card, encoding="utf-8")
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
    from training.nnunet.export import is_nnunet_run
    from training.nnunet.export import run as run_nnunet

    if is_nnunet_run(args.run):
        return run_nnunet(args)
    preset = Preset.model_validate_json((args.run / PRESET).read_text(encoding="utf-8"))
    rows, held_out = read_rows(args.evaluation, preset.task)
    export(args.run, args.out, args.version, rows=rows, held_out=held_out, any_size=args.any_size)
    return 0


def read_rows(evaluation: Path | None, task: str) -> tuple[Mapping[str, Mapping[str, float]] | None, str]:
    """The figures that `evaluate` wrote for a task, and what they were measured on."""
    content = json.loads(evaluation.read_text(encoding="utf-8")) if evaluation else {}
    return content.get(task), content.get("held_out", "none")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
