"""Skeleton recall: hand-made tubes, hand-worked values, gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from training.losses_skeleton import TUBE, skeleton_recall, tubed_skeleton


def crossing_tubes() -> np.ndarray:
    labels = np.zeros((31, 31, 31), np.uint8)
    z, y, x = np.ogrid[:31, :31, :31]
    labels[np.broadcast_to((y - 8) ** 2 + (x - 15) ** 2 <= 25, labels.shape)] = 1
    labels[np.broadcast_to((z - 15) ** 2 + (y - 22) ** 2 <= 9, labels.shape)] = 2
    return labels


def test_the_tube_around_the_centre_line() -> None:
    labels = crossing_tubes()
    tube = tubed_skeleton(labels)
    assert ((tube == 0) | (tube == labels)).all()
    for label, axis in ((1, (slice(None), 8, 15)), (2, (15, 22, slice(None)))):
        assert (tube[axis][4:-4] == label).all(), "the axis is in it"
        distance = distance_transform_edt(np.pad(labels == label, 1))[1:-1, 1:-1, 1:-1]
        inside = (slice(8, -8), slice(None), slice(None)) if label == 1 else (slice(None), slice(None), slice(8, -8))
        deepest = distance[inside].max()
        assert distance[inside][tube[inside] == label].min() >= deepest - TUBE - 1, "the wall is not"
        assert (tube == label).sum() < 0.6 * (labels == label).sum()


def test_a_part_that_thinning_erases_is_kept_whole() -> None:
    labels = np.zeros((6, 12, 6), np.uint8)
    labels[2:4, 1:11, 2:4] = 2
    assert np.array_equal(tubed_skeleton(labels), labels)


def test_recall_by_hand() -> None:
    skeleton = torch.tensor([[1, 1, 1, 1, 2, 2, 0, 0]])
    answer = torch.tensor([[[1, 1, 1, 0, 0, 0, 1, 1], [0, 0, 0, 1, 0.5, 0, 1, 1.0]]], dtype=torch.float64)
    assert skeleton_recall(answer, skeleton).item() == pytest.approx(1 - (3 / 4 + 0.5 / 2) / 2, abs=1e-5)


def test_a_vessel_that_is_not_there_costs_nothing() -> None:
    skeleton = torch.tensor([[1, 0, 0]])
    answer = torch.tensor([[[1.0, 0, 0], [0, 0, 0]]])
    assert skeleton_recall(answer, skeleton).item() == pytest.approx(0, abs=1e-6)


def test_gradients_are_the_differences_and_only_on_the_centre_lines() -> None:
    generator = torch.Generator().manual_seed(1)
    skeleton = torch.randint(0, 3, (2, 3, 3, 3), generator=generator)
    answer = torch.rand(2, 2, 3, 3, 3, generator=generator, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda given: skeleton_recall(given, skeleton), [answer])
    skeleton_recall(answer, skeleton).backward()
    assert answer.grad is not None
    for vessel in (1, 2):
        assert torch.equal(answer.grad[:, vessel - 1] < 0, skeleton == vessel)
