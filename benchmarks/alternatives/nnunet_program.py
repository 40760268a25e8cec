"""nnU-Net's own predictor, run by the Python of nnU-Net's environment (`make nnunet-env`), never by ours.

    make FOLDER PLAN.json              a network with random weights, as nnU-Net stores one
    serve FOLDER VOLUME.npy [OPTIONS]  one prediction for every line on standard input, answered in JSON

A line is OTHER.npy, a tab, RESULT.npy: another volume than the first, and where the result goes; both may be empty.
Volumes are (channel, slice, row, column) float32 HU on the network's own grid.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch


def make(folder: Path, plan: Path) -> None:
    """Write ``plans.json``, ``dataset.json``, a checkpoint of random weights, and the network's answer to one window.

    Args:
        folder: to write.
        plan: JSON with ``plans``, ``dataset``, ``configuration`` and ``seed``.
    """
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    content = json.loads(plan.read_text())
    plans, dataset = content["plans"], content["dataset"]
    architecture = plans["configurations"][content["configuration"]]["architecture"]
    torch.manual_seed(content["seed"])
    network = get_network_from_plans(
        architecture["network_class_name"],
        architecture["arch_kwargs"],
        architecture["_kw_requires_import"],
        len(dataset["channel_names"]),
        len(dataset["labels"]),
        allow_init=True,
        deep_supervision=True,
    )
    with torch.no_grad():  # norms start as identities, and the last of a residual block at zero
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    network.decoder.deep_supervision = False
    shape = plans["configurations"][content["configuration"]]["patch_size"]
    given = torch.randn(1, len(dataset["channel_names"]), *shape)
    with torch.no_grad():
        answer = network.eval()(given)
    state = {
        "network_weights": network.state_dict(),
        "init_args": {"configuration": content["configuration"]},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": (0, 1, 2),
        "current_epoch": 1,
        "logging": {"epoch_start_timestamps": [0.0], "epoch_end_timestamps": [np.float64(1.0)]},
        "_best_ema": np.float64(0.5),
    }
    (folder / "fold_0").mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    torch.save(state, folder / "fold_0" / "checkpoint_final.pth")
    np.savez(folder / "answer.npz", given=given.numpy(), answer=answer.numpy())


def opened(folder: Path, device: str, threads: int, mirroring: bool) -> Any:
    """nnU-Net's predictor with a network. Its search for the trainer, which imports all of nnU-Net, is left out."""
    from nnunetv2.inference import predict_from_raw_data as program
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    program.recursive_find_trainer_class_by_name = lambda name: nnUNetTrainer
    if threads:
        torch.set_num_threads(threads)
    predictor = program.nnUNetPredictor(use_mirroring=mirroring, device=torch.device(device), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(folder), None)
    return predictor


def predict(predictor: Any, volume: np.ndarray) -> np.ndarray:
    """nnU-Net's normalisation and sliding window; logits (class, slice, row, column)."""
    configuration = predictor.configuration_manager
    preprocessor = configuration.preprocessor_class(verbose=False)
    facts = {"spacing": configuration.spacing}
    given = (volume.copy(), None, facts, predictor.plans_manager, configuration, predictor.dataset_json)
    data = preprocessor.run_case_npy(*given)[0]
    if data.shape != volume.shape:
        raise SystemExit(f"nnU-Net cropped or resampled {volume.shape} to {data.shape}; give a volume without zeros")
    return predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data)).float().cpu().numpy()


def main() -> None:
    """Run one verb."""
    verb, folder, given = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if verb == "make":
        make(folder, given)
        return
    options = json.loads(sys.argv[-1]) if sys.argv[-1].startswith("{") else {}
    device = options.get("device", "cpu")
    predictor = opened(folder, device, options.get("threads", 0), options.get("mirroring", False))
    volume = np.load(given)
    print("ready", flush=True)
    for line in sys.stdin:
        other, _, save = line.rstrip("\n").partition("\t")
        shown = np.load(other) if other else volume
        wall, busy = time.perf_counter(), time.process_time()
        found = predict(predictor, shown)
        figures = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - busy}
        if save:
            np.save(save, found)
        figures["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        if device == "cuda":
            figures["gpu_peak_mib"] = torch.cuda.max_memory_allocated() / 2**20
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
