"""Vesselness: exact on quadratics, numpy's eigenvalues, scikit-image's filters, tubes that are told from plates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage import feature, filters

from pulmomap.imaging.hessian import derivative_kernels, hessian, symmetric_eigenvalues
from pulmomap.imaging.vesselness import STRUCTURE_HU, frangi, tube_likeness, vesselness

torch.set_num_threads(1)
entries = st.lists(st.floats(-1000, 1000, width=32), min_size=6, max_size=6)


def texture(shape: tuple[int, int, int], seed: int = 0, sigma: float = 1.5) -> NDArray[np.float64]:
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), sigma)
    return np.asarray(noise / noise.std() * 200 - 400)


def spread(six: NDArray[np.float64]) -> NDArray[np.float64]:
    a, d, e, b, f, c = six
    return np.array([[a, d, e], [d, b, f], [e, f, c]])


@given(entries)
def test_eigenvalues_are_numpys(six: list[float]) -> None:
    matrix = np.array(six)
    ours = [one.item() for one in symmetric_eigenvalues(torch.tensor(six, dtype=torch.float64))]
    theirs = np.linalg.eigvalsh(spread(matrix))[::-1]
    np.testing.assert_allclose(np.array(ours), theirs, atol=float(3e-8 * max(1.0, np.abs(matrix).max())))


@given(st.floats(-100, 100), st.floats(-100, 100), st.integers(0, 2**32 - 1))
def test_double_eigenvalues_keep_the_promised_accuracy_in_float32(one: float, two: float, seed: int) -> None:
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))[0]
    matrix = turn @ np.diag([one, two, two]) @ turn.T
    six = torch.tensor(matrix[np.triu_indices(3)], dtype=torch.float32)
    ours = torch.stack(symmetric_eigenvalues(six)).numpy()
    expected = np.sort([one, two, two])[::-1]
    np.testing.assert_allclose(ours, expected, atol=float(4e-4 * np.linalg.norm(matrix) + 1e-11))


@settings(deadline=None)
@given(
    st.floats(0.2, 2.5),
    st.tuples(*[st.floats(0.5, 3.0)] * 3),
    entries,
    st.lists(st.floats(-50, 50), min_size=4, max_size=4),
)
def test_a_quadratic_image_has_its_exact_hessian(
    sigma: float, spacing: tuple[float, float, float], six: list[float], lower: list[float]
) -> None:
    sizes = [2 * (derivative_kernels(sigma / step).shape[1] // 2) + 1 for step in spacing]
    axes = [(np.arange(size) - size // 2) * step for size, step in zip(sizes, spacing, strict=True)]
    place = np.stack(np.meshgrid(*axes, indexing="ij"))
    curved = 0.5 * np.einsum("i...,ij,j...->...", place, spread(np.array(six)), place)
    image = curved + np.tensordot(lower[:3], place, 1) + lower[3] * 20
    found = hessian(torch.tensor(image)[None], sigma, spacing)[:, 0]
    middle = [one[tuple(size // 2 for size in sizes)] for one in found.numpy()]
    np.testing.assert_allclose(middle, six, atol=float(1e-8 * max(1.0, np.abs(image).max())))


# scikit-image derives in two passes of half the variance each and repeats the border at each, so that it differs
# within a few voxels of the border; inside, the two agree up to the sampling of its kernels.
INSIDE = (slice(8, -8),) * 3


def test_the_hessian_is_scikit_images() -> None:
    image = texture((28, 32, 36))
    ours = hessian(torch.tensor(image)[None], 2.0, (1.0, 1.0, 1.0))[:, 0].numpy()
    reference: Any = feature.hessian_matrix
    theirs = np.stack(reference(image, 2.0, mode="nearest", use_gaussian_derivatives=True))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one[INSIDE], other[INSIDE], atol=float(0.003 * np.abs(theirs).max()))


def test_frangi_is_scikit_images() -> None:
    image, sigma = texture((40, 40, 40), sigma=2.0), 2.0
    reference: Any = filters.frangi
    theirs = reference(
        image, [sigma], alpha=0.5, beta=0.5, gamma=STRUCTURE_HU / sigma**2, black_ridges=False, mode="nearest"
    )[INSIDE]
    ours = vesselness(image, (1.0, 1.0, 1.0), [sigma])[INSIDE]
    assert theirs.max() > 0.3
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.9999
    np.testing.assert_allclose(ours, theirs, atol=0.01)


def test_frangi_of_eigenvalues_is_the_published_formula() -> None:
    values = np.random.default_rng(3).normal(0, 150, (500, 3))
    expected = []
    for row in values:
        one, two, three = sorted(row, key=abs)
        if two > 0 or three > 0:
            expected.append(0.0)
            continue
        plate, blob, norm = two / three, abs(one) / np.sqrt(two * three), np.linalg.norm(row)
        sizes = (1 - np.exp(-(plate**2) / 0.5)) * np.exp(-(blob**2) / 0.5) * (1 - np.exp(-(norm**2) / (2 * 100**2)))
        expected.append(sizes)
    first, second, third = torch.tensor(-np.sort(-values, 1)).unbind(1)
    np.testing.assert_allclose(frangi(first, second, third).numpy(), np.array(expected), atol=1e-9)
    assert np.count_nonzero(expected) > 50


def solid(kind: str, spacing: tuple[float, float, float], radius: float) -> NDArray[np.float64]:
    """A tube across the slices, a plate or a ball of +40 HU in air-filled lung, at the middle of 40 mm."""
    sizes = [int(40 / step) // 2 * 2 + 1 for step in spacing]
    z, y, x = np.meshgrid(*((np.arange(n) - n // 2) * s for n, s in zip(sizes, spacing, strict=True)), indexing="ij")
    distance = {"tube": np.hypot(y, x), "plate": np.abs(x), "ball": np.sqrt(x**2 + y**2 + z**2)}[kind]
    return np.asarray(-850 + 890 * np.clip(radius + 0.5 - distance, 0, 1))


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 0.7, 0.7), (1.0, 0.65, 0.65)])
@pytest.mark.parametrize("radius", [1.0, 2.0, 3.5])
def test_a_tube_is_told_from_a_plate_and_a_ball(spacing: tuple[float, float, float], radius: float) -> None:
    answers = {}
    for kind in ("tube", "plate", "ball"):
        image = solid(kind, spacing, radius)
        answers[kind] = vesselness(image, spacing)[tuple(n // 2 for n in image.shape)]
    assert answers["tube"] > 0.75
    assert answers["plate"] < 0.05
    if 2 * radius > max(spacing):  # a ball within one slice cannot be told from a tube
        assert answers["ball"] < 0.3


def test_a_dark_tube_and_a_constant_answer_nothing() -> None:
    tube = solid("tube", (1.0, 1.0, 1.0), 2.0)
    assert vesselness(-810 - tube, (1.0, 1.0, 1.0))[20, 20, 20] == 0
    assert vesselness(np.full((9, 9, 9), -850), (1.5, 1.5, 1.5)).max() < 1e-6


def test_gradients_are_finite_where_nothing_is_and_right_where_something_is() -> None:
    image = torch.full((1, 8, 8, 8), -1000.0)
    image[:, :, 3:5, 3:5] = 40
    image.requires_grad_()
    tube_likeness(image, (1.0, 1.0, 1.0), (1.0,)).sum().backward()  # type: ignore[no-untyped-call]
    assert image.grad is not None
    assert image.grad.isfinite().all()
    noise = torch.tensor(texture((5, 5, 5)))[None].requires_grad_()
    six = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(symmetric_eigenvalues, [six])
    assert torch.autograd.gradcheck(lambda hu: hessian(hu, 0.8, (1.0, 1.0, 1.0)), [noise])


def test_tiles_leave_no_seams() -> None:
    image = texture((30, 26, 22))
    spacing, scales = (1.2, 1.0, 1.0), (0.7, 1.5)
    whole = tube_likeness(torch.tensor(image, dtype=torch.float32)[None], spacing, scales)[0].numpy()
    np.testing.assert_allclose(vesselness(image, spacing, scales, tile=11), whole, atol=2e-5)


def test_what_is_no_volume_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got shape \(4, 4\), spacing"):
        vesselness(np.zeros((4, 4)), (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="above 0 mm"):
        vesselness(np.zeros((4, 4, 4)), (1.0, 0.0, 1.0))
