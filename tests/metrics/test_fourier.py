"""Fourier ring and shell correlation by their laws."""

import math

import numpy as np
import pytest

from napari_emgauss.errors import ConfigError, VolumeError
from napari_emgauss.metrics import fourier_ring_correlation, fourier_shell_correlation

SHAPES = [(32, 32, 32), (15, 24, 17)]


def noise(seed, shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def frequency_radius(shape):
    axes = np.meshgrid(*[np.fft.fftfreq(side) for side in shape], indexing="ij")
    return np.sqrt(sum(f**2 for f in axes))


@pytest.mark.parametrize("shape", SHAPES)
def test_identical_volumes_correlate_fully_up_to_nyquist(shape):
    volume = noise(0, shape)
    result = fourier_shell_correlation(volume, volume)
    np.testing.assert_allclose(result.correlation, 1, atol=1e-5)
    assert result.resolution() == 2


def test_a_negative_anticorrelates():
    volume = noise(0, SHAPES[0])
    np.testing.assert_allclose(fourier_shell_correlation(volume, -volume).correlation, -1, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_independent_noise_correlates_no_more_than_chance(shape):
    result = fourier_shell_correlation(noise(0, shape), noise(1, shape))
    # Conjugate pairs carry the same value: a shell of n coefficients holds n / 2 independent ones, each with two parts.
    chance = 1 / np.sqrt(result.n_coefficients[1:])
    assert np.abs(result.correlation[1:] / chance).max() < 4.5


def test_correlation_does_not_depend_on_the_intensity_scale():
    a, b = noise(0, SHAPES[1]), noise(1, SHAPES[1])
    expected = fourier_shell_correlation(a, a + b).correlation
    np.testing.assert_allclose(fourier_shell_correlation(7 * a, 0.1 * (a + b)).correlation, expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(32, 32, 32), (15, 24, 17), (9, 16)])
def test_half_spectrum_counts_every_coefficient_of_the_full_one(shape):
    correlate = fourier_shell_correlation if len(shape) == 3 else fourier_ring_correlation
    result = correlate(noise(0, shape), noise(1, shape))
    shells = np.rint(frequency_radius(shape) * max(shape)).astype(int)
    np.testing.assert_array_equal(result.n_coefficients, np.bincount(shells.ravel())[: len(result.frequency)])


def test_correlation_equals_the_sum_over_the_full_spectrum():
    shape = (12, 15, 14)
    a, b = noise(0, shape), noise(0, shape) + noise(1, shape)
    fa, fb = np.fft.fftn(a), np.fft.fftn(b)
    result = fourier_shell_correlation(a, b)
    inside = np.rint(frequency_radius(shape) * 15).astype(int) == 4
    expected = (fa * fb.conj())[inside].sum().real
    expected /= math.sqrt((abs(fa[inside]) ** 2).sum() * (abs(fb[inside]) ** 2).sum())
    assert result.correlation[4] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("cutoff", [0.125, 0.25])
def test_resolution_of_a_band_limited_signal_is_its_band_limit(cutoff):
    shape = (64, 64)
    low_pass = frequency_radius(shape) <= cutoff
    shared, own_a, own_b = (np.fft.fftn(noise(seed, shape)) for seed in range(3))
    a, b = (np.fft.ifftn(np.where(low_pass, shared, own)).real for own in (own_a, own_b))
    result = fourier_ring_correlation(a, b)
    assert result.resolution(0.5) == pytest.approx(1 / cutoff, rel=0.08)
    assert result.resolution_nm(4.0, 0.5) == pytest.approx(4 * result.resolution(0.5))


def test_a_lower_threshold_never_gives_a_coarser_resolution():
    a, b = noise(0, (64, 64)), noise(1, (64, 64))
    k = np.maximum(frequency_radius((64, 64)), 0.01)
    signal = np.fft.ifftn(np.fft.fftn(a) / k).real
    result = fourier_ring_correlation(signal + a * 0, signal + 6 * b)
    assert result.resolution(0.143) <= result.resolution(0.5)


def test_resolution_is_infinite_when_nothing_correlates():
    a = noise(0, (32, 32))
    assert fourier_ring_correlation(a, -a).resolution() == math.inf


def test_shells_without_power_correlate_zero():
    result = fourier_ring_correlation(np.ones((16, 16)), noise(0, (16, 16)))
    np.testing.assert_array_equal(result.correlation[1:], 0)


@pytest.mark.parametrize("threshold", [0, 1, -0.1])
def test_thresholds_outside_zero_to_one_are_refused(threshold):
    a = noise(0, (16, 16))
    with pytest.raises(ConfigError, match=r"between 0 and 1.*0\.143"):
        fourier_ring_correlation(a, a).resolution(threshold)


def test_wrong_number_of_axes_is_refused():
    with pytest.raises(VolumeError, match="3 axes"):
        fourier_shell_correlation(np.zeros((8, 8)), np.zeros((8, 8)))
    with pytest.raises(VolumeError, match="2 axes"):
        fourier_ring_correlation(np.zeros((8, 8, 8)), np.zeros((8, 8, 8)))
