"""Errors to expect at the distance itself."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_emgauss.interpolation.mixture import FusedInterpolator, Stack
from napari_emgauss.interpolation.mixture.fusion import PLAIN
from napari_emgauss.interpolation.mixture.shares import error_products
from napari_emgauss.interpolation.mixture.texture import fit_texture
from napari_emgauss.interpolation.mixture.transfer import BASIS, Around, expected_products

FACTOR = 6


def volume(*, noise=0.02, shape=(67, 128, 128)):
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.standard_normal(shape, np.float32), 3.5, mode="wrap")
    return np.asarray(0.15 * smooth / smooth.std() + noise * rng.standard_normal(shape), np.float32)


def test_errors_of_plain_interpolation_are_foreseen_on_a_gaussian_field():
    truth = volume()
    stack, everything = Stack(truth[::FACTOR], FACTOR), dict.fromkeys(PLAIN, 1 / len(PLAIN))
    near, true, places = [], [], []
    for gap in range(1, 10):
        parts = FusedInterpolator(stack, everything).candidates(gap + 0.5)
        images = [parts[name] for name in PLAIN]
        around = Around.of(stack, gap)
        near.append(around.against_linear(images))
        places.append(around.place)
        true.append(error_products(images, truth[gap * FACTOR + FACTOR // 2]))
    far = []
    for start in (0, 1):
        half = stack.every_other(start)
        for gap in range(1, len(half.sections) - 2):
            parts = FusedInterpolator(half, everything).candidates(gap + 0.5)
            hidden = stack.sections[start + 2 * gap + 1]
            far.append(Around.of(half, gap).against_linear([*(parts[name] for name in PLAIN), hidden]))
    found = expected_products(np.mean(near, 0), np.mean(far, 0), places, fit_texture([stack]))
    expected = np.sum([probability * products for probability, products in found], 0)
    gain_db = [10 * np.log10(np.diag(products) / products[1, 1]) for products in (expected, np.mean(true, 0))]
    np.testing.assert_allclose(*gain_db, atol=0.8)
    assert PLAIN[int(np.argmin(np.diag(expected)))] == PLAIN[int(np.argmin(np.diag(np.mean(true, 0))))]


def test_what_lies_around_a_gap_is_repeated_at_the_ends():
    stack = Stack(volume(shape=(4, 16, 16)), FACTOR, [0.0, 1.0, 3.0, 4.0])
    assert Around.of(stack, 0).place == (0.5, (0.0, 1.0), (0.0, 3.0))
    assert Around.of(stack, 1).place == (2.0, (1.0, 3.0), (0.0, 4.0))


def test_linear_interpolation_itself_differs_from_linear_by_nothing():
    around = Around.of(Stack(volume(shape=(4, 16, 16)), FACTOR), 1)
    products = around.against_linear([around.inner.mean(0)])
    assert products.shape == (1 + len(BASIS), 1 + len(BASIS))
    assert products[0] == pytest.approx(0, abs=1e-12)
