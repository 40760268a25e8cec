"""`python -m training fit nnunet`: store -> nnU-Net's raw data -> its plan -> its training."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from training.checkpoint import commit
from training.nnunet.dataset import NAME, export_store, splits
from training.nnunet.preset import NnunetPreset, load_nnunet_preset
from training.nnunet.programs import TRAIN, Nnunet
from training.nnunet.trained import checkpoint_in
from training.recipe import RecipeError

SETTINGS = "PULMOMAP_NNUNET"
"""The trainer's environment variable."""

PLANS, CONFIGURATION, TRAINER = "nnUNetPlans", "3d_fullres", "PulmoMapTrainer"
MODEL = Path("results", NAME, f"{TRAINER}__{PLANS}__{CONFIGURATION}")
"""Where nnU-Net leaves its network in the folder of a run."""

PRESET, FACTS = "nnunet_preset.json", "facts.json"


def fit(
    preset: NnunetPreset,
    data: Path,
    folder: Path,
    *,
    budget: float | None = None,
    resume: bool = False,
    threads: int = 0,
) -> Path:
    """Train, and return nnU-Net's folder of the network.

    Args:
        preset: what to train.
        data: the store.
        folder: of the run; nnU-Net's raw, preprocessed and results lie in it.
        budget: seconds of training in all, over every resume; None trains all epochs.
        resume: go on from the last epoch, if there was one.
        threads: CPU threads; 0 leaves it to nnU-Net.

    Raises:
        RecipeError: nnU-Net is not installed or fails, or the folder holds a run already.
        StoreError: a case cannot be used.
    """
    same = _same_preset(folder, preset)
    if trained(folder) is not None and not (resume and same):
        why = "holds a run already; add --resume" if same else "holds a run of another preset; go on with that one"
        raise RecipeError(f"{folder} {why}, or choose another folder")
    if not same:  # another plan, maybe another channel: nothing of it can stay
        for name in ("raw", "preprocessed"):
            shutil.rmtree(folder / name, ignore_errors=True)
    nnunet = Nnunet(folder, _variables(preset, budget, threads))
    going_on = ["--c"] if trained(folder) is not None else []
    if not going_on:  # a run that has begun stays with its cases and its plan
        _prepare(nnunet, preset, data, folder, threads)
    chosen = ["-tr", TRAINER, "-p", PLANS, "-device", "cuda" if _cuda() else "cpu", *going_on]
    nnunet.run("python", "-I", TRAIN, NAME, CONFIGURATION, "0", *chosen, workers=threads - 1 if threads else None)
    return folder / MODEL


def _prepare(nnunet: Nnunet, preset: NnunetPreset, data: Path, folder: Path, threads: int) -> None:
    """Everything before the training, as far as it is not there."""
    cases = export_store(data, nnunet.raw / NAME, preset.second_channel)
    prepared = nnunet.preprocessed / NAME
    if not _holds(prepared, cases.names):
        (folder / PRESET).write_text(preset.model_dump_json(indent=1) + "\n", encoding="utf-8")
        _plan(nnunet, preset, threads)
        (prepared / "splits_final.json").write_text(json.dumps(splits(cases.names), indent=1), encoding="utf-8")
        _write(folder / FACTS, {"cases": cases.names, "drawn_by": cases.drawn_by, "commit": commit()})


def trained(folder: Path) -> Path | None:
    """The checkpoint in the folder of a run."""
    return checkpoint_in(folder / MODEL / "fold_0")


def run(args: argparse.Namespace) -> int:
    """The `fit` command for a recipe of this kind."""
    if args.weights is not None:
        raise RecipeError("--weights is for our own loops; nnU-Net starts from random weights here")
    preset = load_nnunet_preset(args.recipe, args.preset)
    model = fit(preset, args.data, args.out, budget=args.time_budget, resume=args.resume, threads=args.threads or 0)
    print(f"nnU-Net's network is in {model}")
    return 0


def _variables(preset: NnunetPreset, budget: float | None, threads: int) -> dict[str, str]:
    settings = {name: getattr(preset, name) for name in ("epochs", "iterations", "validation_iterations", "seed")}
    return {SETTINGS: json.dumps({**settings, "seconds": budget, "threads": threads})}


def _plan(nnunet: Nnunet, preset: NnunetPreset, threads: int) -> None:
    """Fingerprint, plan, what the preset changes in it, and the preprocessed cases."""
    number, processes = NAME[7:10].lstrip("0"), str(threads or 2)
    memory = [] if preset.memory_gb is None else ["-gpu_memory_target", str(preset.memory_gb)]
    planner = ["-pl", preset.planner, *memory, "-overwrite_plans_name", PLANS, "--no_pp"]
    nnunet.run("nnUNetv2_plan_and_preprocess", "-d", number, "-npfp", processes, "--clean", *planner)
    path = nnunet.preprocessed / NAME / f"{PLANS}.json"
    _write(path, changed(json.loads(path.read_text(encoding="utf-8")), preset))
    nnunet.run("nnUNetv2_preprocess", "-d", number, "-plans_name", PLANS, "-c", CONFIGURATION, "-np", processes)


def changed(plans: dict[str, Any], preset: NnunetPreset) -> dict[str, Any]:
    """The plans with the preset's patch, channels and batch in place of the planned ones."""
    configuration = plans["configurations"][CONFIGURATION]
    if preset.batch is not None:
        configuration["batch_size"] = preset.batch
    if preset.patch is not None and preset.features is not None:
        levels = len(preset.features)
        configuration["patch_size"] = list(preset.patch)
        arguments = configuration["architecture"]["arch_kwargs"]
        arguments |= {
            "n_stages": levels,
            "features_per_stage": list(preset.features),
            "kernel_sizes": [[3, 3, 3]] * levels,
            "strides": [[1, 1, 1], *[[2, 2, 2]] * (levels - 1)],
            "n_conv_per_stage_decoder": arguments["n_conv_per_stage_decoder"][:1] * (levels - 1),
        }
        for blocks in ("n_conv_per_stage", "n_blocks_per_stage"):
            if blocks in arguments:
                arguments[blocks] = (arguments[blocks] + arguments[blocks][-1:] * levels)[:levels]
    return plans


def _same_preset(folder: Path, preset: NnunetPreset) -> bool:
    path = folder / PRESET
    return path.is_file() and NnunetPreset.model_validate_json(path.read_text(encoding="utf-8")) == preset


def _holds(prepared: Path, names: list[str]) -> bool:
    """Whether exactly these cases were prepared."""
    path = prepared / "splits_final.json"
    return path.is_file() and json.loads(path.read_text(encoding="utf-8")) == splits(names)


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
