"""nnU-Net's trainer as PulmoMAP uses it, and its training program with it. Runs in nnU-Net's environment, not in ours.

The program takes what ``nnUNetv2_train`` takes. That one looks for the trainer by importing all that nnU-Net has, timm
and torchvision too, which dies where torchvision was built for another torch.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.run import run_training
from nnunetv2.training.nnUNetTrainer.variants.data_augmentation.nnUNetTrainerNoMirroring import nnUNetTrainerNoMirroring

SETTINGS = "PULMOMAP_NNUNET"
SPENT = "spent.json"


class PulmoMapTrainer(nnUNetTrainerNoMirroring):  # type: ignore[misc]  # nnU-Net is not in the environment of the checks
    """Never mirrors, so that left and right stay what they are. Length, seed, threads and time budget are ours.

    The environment variable ``PULMOMAP_NNUNET`` holds them as JSON. With a time budget the learning rate falls with the
    time that is spent, so that it is low at the end however many epochs there were.
    """

    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int,
        dataset_json: dict[str, Any],
        device: torch.device = torch.device("cuda"),  # noqa: B008 - nnU-Net reads this signature
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        settings = json.loads(os.environ[SETTINGS])
        self.num_epochs = settings["epochs"]
        self.num_iterations_per_epoch = settings["iterations"]
        self.num_val_iterations_per_epoch = settings["validation_iterations"]
        self.seconds: float | None = settings["seconds"]
        self.save_every = 1
        self.before, self.began = 0.0, time.monotonic()
        torch.manual_seed(settings["seed"])
        np.random.seed(settings["seed"])
        if settings["threads"]:
            torch.set_num_threads(settings["threads"])

    @property
    def spent(self) -> float:
        """Seconds of training so far, those before a resumption too."""
        return self.before + time.monotonic() - self.began

    def run_training(self) -> None:
        """As nnU-Net's own, with an end by time as well."""
        self.on_train_start()
        self.before, self.began = self.spent_earlier(), time.monotonic()
        while self.current_epoch < self.num_epochs and (self.seconds is None or self.spent < self.seconds):
            self.on_epoch_start()
            self.on_train_epoch_start()
            self.on_train_epoch_end(
                [self.train_step(next(self.dataloader_train)) for _ in range(self.num_iterations_per_epoch)]
            )
            with torch.no_grad():
                self.on_validation_epoch_start()
                self.on_validation_epoch_end(
                    [self.validation_step(next(self.dataloader_val)) for _ in range(self.num_val_iterations_per_epoch)]
                )
            self.on_epoch_end()
            facts = {"seconds": self.spent, "epochs": self.current_epoch}
            Path(self.output_folder, SPENT).write_text(json.dumps(facts) + "\n")
        self.on_train_end()

    def spent_earlier(self) -> float:
        """Seconds of the run that this one goes on from."""
        path = Path(self.output_folder, SPENT)
        return float(json.loads(path.read_text())["seconds"]) if self.current_epoch and path.is_file() else 0.0

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        if self.seconds is not None:
            share = min(self.spent / self.seconds, 1.0)
            self.lr_scheduler.step(max(self.current_epoch, share * (self.num_epochs - 1)))

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Nothing: `training evaluate` measures, with the application's own inference."""


if __name__ == "__main__":
    run_training.recursive_find_trainer_class_by_name = lambda name: PulmoMapTrainer
    run_training.run_training_entry()
