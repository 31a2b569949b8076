"""Errors to expect at the distance itself."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_emgauss.interpolation.mixture import FusedInterpolator, Stack
from napari_emgauss.interpolation.mixture.fusion import PLAIN
from napari_emgauss.interpolation.mixture.shares import error_products
from napari_emgauss.interpolation.mixture.texture import fit_texture
from napari_emgauss.interpolation.mixture.transfer import Around, expected_products
from napari_emgauss.interpolation.plain import Interpolator

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
    found = expected_products([(np.mean(near, 0), places)], np.mean(far, 0), fit_texture([stack]))
    expected = np.sum([probability * products for probability, products in found], 0)
    gain_db = [10 * np.log10(np.diag(products) / products[1, 1]) for products in (expected, np.mean(true, 0))]
    np.testing.assert_allclose(*gain_db, atol=0.8)
    assert PLAIN[int(np.argmin(np.diag(expected)))] == PLAIN[int(np.argmin(np.diag(np.mean(true, 0))))]


@pytest.mark.parametrize(
    ("gap", "phase", "offsets"),
    [(0, 0.5, (-0.5, 0.5, -0.5, 2.5)), (1, 0.5, (-1, 1, -2, 2)), (1, 0.25, (-0.5, 1.5, -1.5, 2.5))],
)
def test_what_lies_around_a_place_is_repeated_at_the_ends(gap, phase, offsets):
    stack = Stack(volume(shape=(4, 16, 16)), FACTOR, [0.0, 1.0, 3.0, 4.0])
    assert Around.of(stack, gap, phase).place == (phase, offsets)


@pytest.mark.parametrize("phase", [0.2, 0.5])
def test_linear_interpolation_itself_differs_from_linear_by_nothing(phase):
    stack = Stack(volume(shape=(4, 16, 16)), FACTOR)
    products = Around.of(stack, 1, phase).against_linear([Interpolator(stack.sections).section(1 + phase)])
    assert products[0] == pytest.approx(0, abs=1e-9)
    assert products[1:, 1:].max() > 1e-3
