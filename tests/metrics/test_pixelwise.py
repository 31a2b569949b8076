"""PSNR and SSIM by their laws, and the checks that all metrics share."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from napari_emgauss.errors import ConfigError, VolumeError
from napari_emgauss.metrics import SSIM_BORDER_PX, fourier_ring_correlation, fsim, psnr, ssim, ssim_map

METRICS = [psnr, ssim, fsim]


@pytest.fixture
def texture():
    image = gaussian_filter(np.random.default_rng(0).standard_normal((48, 40)), 2)
    return ((image - image.min()) / np.ptp(image)).astype(np.float32)


@given(offset=st.floats(1e-3, 10), data_range=st.floats(0.1, 300))
def test_psnr_of_a_constant_offset_has_a_closed_form(offset, data_range):
    zeros = np.zeros((8, 8), np.float32)
    assert psnr(zeros, zeros + offset, data_range=data_range) == pytest.approx(
        20 * math.log10(data_range / offset), abs=1e-4
    )


def test_psnr_of_identical_images_is_infinite(texture):
    assert psnr(texture, texture) == math.inf


def test_psnr_does_not_overflow_on_integer_input():
    assert psnr(np.zeros((4, 4), np.uint8), np.full((4, 4), 255, np.uint8), data_range=255) == pytest.approx(0)


def test_psnr_leaves_its_inputs_alone(texture):
    before = texture.copy()
    psnr(texture, np.zeros_like(texture))
    np.testing.assert_array_equal(texture, before)


def test_ssim_of_an_image_with_itself_is_one(texture):
    assert ssim(texture, texture) == pytest.approx(1)


def test_ssim_of_two_constants_has_a_closed_form():
    a, b, c1 = 0.25, 0.5, 0.01**2
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    assert ssim(np.full((16, 16), a), np.full((16, 16), b)) == pytest.approx(expected, abs=1e-5)


def test_ssim_uses_the_gaussian_window_and_population_covariance(texture):
    noisy = texture + 0.1 * np.random.default_rng(1).standard_normal(texture.shape).astype(np.float32)
    wang = structural_similarity(
        texture, noisy, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    default = structural_similarity(texture, noisy, data_range=1)
    assert ssim(texture, noisy) == pytest.approx(wang, abs=1e-5)
    assert abs(ssim(texture, noisy) - default) > 1e-3


def test_ssim_is_the_mean_of_its_map_without_the_rim(texture):
    rim = SSIM_BORDER_PX
    values = ssim_map(texture, 1 - texture)
    assert values.shape == texture.shape
    assert ssim(texture, 1 - texture) == pytest.approx(values[rim:-rim, rim:-rim].mean(), abs=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_different_shapes_are_refused(metric):
    with pytest.raises(VolumeError, match=r"same shape, got \(20, 20\) and \(20, 21\). Crop"):
        metric(np.zeros((20, 20)), np.zeros((20, 21)))


@pytest.mark.parametrize("metric", [*METRICS, fourier_ring_correlation])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_counted_and_refused(metric, value, texture):
    spoilt = texture.copy()
    spoilt[3, 4:6] = value
    with pytest.raises(VolumeError, match=r"second image has 2 NaN or infinite values.*Replace"):
        metric(texture, spoilt)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("data_range", [0, -1, math.nan, math.inf])
def test_an_impossible_data_range_is_refused(metric, data_range, texture):
    with pytest.raises(ConfigError, match="data_range must be positive"):
        metric(texture, texture, data_range=data_range)


def test_complex_images_are_refused(texture):
    with pytest.raises(VolumeError, match="real numbers, got dtype complex64"):
        psnr(texture, texture.astype(np.complex64))


def test_images_smaller_than_the_window_are_refused():
    with pytest.raises(VolumeError, match=r"at least 11 px, got shape \(10, 30\)"):
        ssim(np.zeros((10, 30)), np.zeros((10, 30)))


def test_empty_images_are_refused():
    with pytest.raises(VolumeError, match="at least 1 px"):
        psnr(np.zeros((0, 5)), np.zeros((0, 5)))


def test_structural_similarity_of_volumes_counts_in_the_mask_alone():
    from napari_emgauss.metrics import ssim_in_mask

    rng = np.random.default_rng(0)
    a = rng.random((16, 16, 16)).astype(np.float32)
    mask = np.zeros(a.shape, bool)
    mask[:, :, :3] = True
    b = a.copy()
    b[:, :, 10:] = 0
    assert ssim_in_mask(a, b, mask) == pytest.approx(1)
    assert ssim_in_mask(a, b, ~mask) < 0.9


def test_correlation_is_pearson_s_and_zero_for_a_constant():
    from napari_emgauss.metrics import correlation

    rng = np.random.default_rng(0)
    a, b = rng.random((2, 8, 9)).astype(np.float32)
    assert correlation(a, b) == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1], abs=1e-6)
    assert correlation(a, 3 - 2 * a) == pytest.approx(-1)
    assert correlation(a, np.full_like(a, 1 / 3)) == 0
