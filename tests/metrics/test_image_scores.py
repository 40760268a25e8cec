"""PSNR, NMAE, SSIM and MS-SSIM against written oracles, numpy, scikit-image and MONAI."""

from __future__ import annotations

import tracemalloc

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from pulmomap.metrics import similarity
from pulmomap.metrics.image import PSNR_CAP, nmae, psnr
from pulmomap.metrics.outcome import Outcome, Status
from pulmomap.metrics.similarity import ms_ssim, ssim

Hu = npt.NDArray[np.float32]


def pair(shape: tuple[int, int, int], seed: int = 0) -> tuple[Hu, Hu]:
    """Structures of all sizes in HU, some beyond the window, and a disturbed copy."""
    rng = np.random.default_rng(seed)
    reference = sum(
        (400 * sigma**1.5 * gaussian_filter(rng.standard_normal(shape), sigma) for sigma in (0.5, 2, 6)),
        np.full(shape, -200.0),
    )
    predicted = 0.9 * reference + 80 * rng.standard_normal(shape) - 20
    return predicted.astype(np.float32), reference.astype(np.float32)


def test_constant_error_of_20_hu_is_40_db() -> None:
    reference = np.linspace(-900, 900, 1000).reshape(10, 10, 10)
    assert psnr(reference + 20, reference).value == pytest.approx(40.0, abs=1e-4)


@pytest.mark.parametrize(("decibel", "rmse"), [(28.14, 78.3), (27.12, 88.1), (26.73, 92.2), (26.66, 92.9)])
def test_equivalent_errors(decibel: float, rmse: float) -> None:
    assert psnr(np.full((2, 2, 2), rmse), np.zeros((2, 2, 2))).value == pytest.approx(decibel, abs=0.01)


def test_same_volumes() -> None:
    volume = pair((12, 12, 12))[0]
    assert (psnr(volume, volume).value, nmae(volume, volume).value) == (PSNR_CAP, 0.0)
    assert ssim(volume, volume).value == 1.0
    assert ms_ssim(volume, volume).outcome.value == 1.0


def test_error_below_the_cap_is_capped() -> None:
    assert psnr(np.full((1, 1, 2), 0.001), np.zeros((1, 1, 2))).value == PSNR_CAP


def test_nmae_of_4_4_hu_in_a_window_of_440() -> None:
    score = nmae(np.full((3, 3, 3), 14.4), np.full((3, 3, 3), 10.0), window=(-160.0, 280.0))
    assert score.value == pytest.approx(0.01, rel=1e-6)


def test_what_lies_beyond_the_window_does_not_count() -> None:
    assert nmae(np.full((1, 1, 1), 3000), np.full((1, 1, 1), 1000)).value == 0.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 6)] * 3))
def test_psnr_and_nmae_agree_with_numpy_and_scikit_image(seed: int, shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(seed)
    predicted, reference = rng.integers(-1500, 1500, (2, *shape)).astype(np.int16)
    roi = rng.random(shape) < 0.6
    x, y = (np.clip(one, -1000, 1000).astype(np.float64) for one in (predicted, reference))
    for mask, chosen in ((None, np.ones(shape, bool)), (roi, roi)):
        if not chosen.any():
            assert psnr(predicted, reference, mask).status is Status.ROI_EMPTY
            assert nmae(predicted, reference, mask).status is Status.ROI_EMPTY
            continue
        assert nmae(predicted, reference, mask).value == pytest.approx(np.abs(x - y)[chosen].mean() / 2000, rel=1e-5)
        if (x != y)[chosen].any():
            theirs = peak_signal_noise_ratio(x[chosen], y[chosen], data_range=2000)  # type: ignore[no-untyped-call]
            assert psnr(predicted, reference, mask).value == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize("slab", [3, 48])
@pytest.mark.parametrize("shape", [(11, 11, 11), (27, 30, 33)])
def test_ssim_agrees_with_scikit_image(shape: tuple[int, int, int], slab: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "SLAB", slab)
    predicted, reference = pair(shape)
    x, y = (np.clip(one, -1000, 1000).astype(np.float64) for one in (predicted, reference))
    expected, field = structural_similarity(  # type: ignore[no-untyped-call]
        x, y, data_range=2000, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    assert 0.2 < expected < 0.95
    assert ssim(predicted, reference).value == pytest.approx(expected, abs=1e-5)
    roi = np.random.default_rng(2).random(shape) < 0.3
    roi[5, 5, 5] = True
    inner = (slice(5, -5),) * 3
    assert ssim(predicted, reference, roi).value == pytest.approx(field[inner][roi[inner]].mean(), abs=1e-5)


def test_region_at_the_border_only_has_no_ssim() -> None:
    roi = np.zeros((12, 12, 12), bool)
    roi[:5] = True
    assert ssim(*pair(roi.shape), roi).status is Status.ROI_EMPTY


@pytest.mark.parametrize(("shape", "scales"), [((22, 23, 25), 2), ((44, 44, 47), 3), ((21, 50, 50), 1)])
def test_ms_ssim_agrees_with_monai(shape: tuple[int, int, int], scales: int) -> None:
    """On the weights of as many scales. MONAI asks a side of more than 10 (scales - 1)^2 voxels, which these have."""
    from monai.metrics.regression import compute_ms_ssim
    from torch import from_numpy

    predicted, reference = pair(shape)
    got = ms_ssim(predicted, reference)
    assert got.scales == scales
    weights = np.array(similarity.WEIGHTS[:scales]) / sum(similarity.WEIGHTS[:scales])
    tensors = [from_numpy(np.clip(one, -1000, 1000) / 1000)[None, None] for one in (predicted, reference)]
    theirs = compute_ms_ssim(*tensors, spatial_dims=3, data_range=2.0, weights=weights.tolist())
    assert 0.2 < theirs.item() < 0.99
    assert got.outcome.value == pytest.approx(theirs.item(), abs=2e-5)


@pytest.mark.parametrize(
    ("side", "scales"), [(11, 1), (21, 1), (22, 2), (87, 3), (88, 4), (175, 4), (176, 5), (512, 5)]
)
def test_number_of_scales(side: int, scales: int) -> None:
    """As many as leave the window room on the coarsest; the shortest side decides."""
    assert similarity.scales_of((512, side, 600)) == scales


def test_negative_contrast_is_set_to_zero() -> None:
    predicted, _ = pair((22, 22, 22))
    assert ms_ssim(predicted, -predicted).outcome.value == 0.0


def test_ms_ssim_brings_the_ssim_along() -> None:
    volumes = pair((60, 25, 24))
    half, rim = np.zeros((2, 60, 25, 24), np.uint8)
    half[:30], rim[:, 0] = 1, 1
    found = ms_ssim(*volumes, regions={"half": half, "rim": rim})
    assert found.ssim == ssim(*volumes)
    assert found.regional == {"half": ssim(*volumes, half), "rim": Outcome.missing(Status.ROI_EMPTY)}
    assert found.outcome == ms_ssim(*volumes).outcome


def test_scores_are_symmetric() -> None:
    predicted, reference = pair((23, 24, 25))
    for score in (psnr, nmae, ssim):
        assert score(predicted, reference).value == pytest.approx(score(reference, predicted).value, rel=1e-6)


def test_memory_stays_bounded() -> None:
    """The maps of the whole volume must not be held: 10 times one volume is the limit, inputs included."""
    predicted, reference = pair((200, 60, 60))
    for score in (psnr, nmae, ssim, ms_ssim):
        tracemalloc.start()
        score(predicted, reference)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * predicted.nbytes, score.__name__


@pytest.mark.parametrize("score", [psnr, nmae, ssim, ms_ssim])
def test_bad_volumes_are_refused(score: type) -> None:
    volume = np.zeros((12, 12, 12))
    with pytest.raises(ValueError, match="one grid first"):
        score(volume, volume[:11])
    with pytest.raises(ValueError, match="window from 100 to 100 HU is empty"):
        score(volume, volume, window=(100.0, 100.0))
    hole = volume.copy()
    hole[6, 6, 6] = np.nan
    with pytest.raises(ValueError, match="reference holds NaN"):
        score(volume, hole)


@pytest.mark.parametrize("shape", [(10, 12, 12), (12, 12)])
def test_volume_smaller_than_the_window_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 11 voxels along each of 3 axes"):
        ssim(np.zeros(shape), np.zeros(shape))
