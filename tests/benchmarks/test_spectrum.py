import numpy as np
import pytest
from benchmarks.spectrum import PERIODS_PLANES, shares
from scipy.ndimage import gaussian_filter1d

VOLUME = np.random.default_rng(0).standard_normal((61, 12, 12)).astype(np.float32)


def test_the_truth_has_all_of_its_power_and_half_the_contrast_a_quarter():
    assert shares(VOLUME, VOLUME) == pytest.approx([1.0] * (len(PERIODS_PLANES) - 1))
    assert shares(0.5 * VOLUME + 3, VOLUME) == pytest.approx([0.25] * (len(PERIODS_PLANES) - 1), rel=1e-4)


def test_blur_takes_most_from_what_changes_fastest():
    found = shares(gaussian_filter1d(VOLUME, 1.5, axis=0), VOLUME)
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.8
    assert found[-1] < 0.1


def test_a_wave_is_found_in_its_band():
    wave = np.sin(2 * np.pi * np.arange(61) / 8)[:, None, None] * np.ones((1, 2, 2))
    found = shares(VOLUME[:, :2, :2] + 30 * wave, VOLUME[:, :2, :2])
    assert int(np.argmax(found)) == 2
