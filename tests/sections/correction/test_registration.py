"""Images that were moved by a known displacement are registered, whatever their brightness."""

import numpy as np
import pytest

from napari_emgauss.phantoms import phantom
from napari_emgauss.sections.correction.corrections import shifted
from napari_emgauss.sections.correction.registration import OPPOSITE, half_of
from napari_emgauss.sections.correction.registration import register as register_field


@pytest.fixture(scope="module")
def image():
    return phantom((4, 120, 140), seed=2, noise=0.01).section(1).astype(np.float32)


def register(image, prediction):
    """Register one window in another."""
    return register_field(image[None, None], prediction[None, None])


@pytest.mark.parametrize("displacement", [(0.0, 0.0), (0.3, -0.7), (-2.5, 1.25), (3.5, 3.5)])
@pytest.mark.parametrize("gain", [1e-3, 1.0, 200.0])
def test_a_displacement_is_found(image, displacement, gain):
    moved = shifted(image, (-displacement[0], -displacement[1]))
    found = register(gain * (1.2 * moved + 3), gain * image)
    assert found.whole == pytest.approx(displacement, abs=0.1)
    assert np.all(found.error < 0.1)


def test_halves_answer_for_themselves(image):
    both = image.copy()
    half = image.shape[1] // 2
    both[:, :half] = shifted(image, (-1, 0))[:, :half]
    both[:, half:] = shifted(image, (1, 0))[:, half:]
    found = register(both, image)
    assert found.halves["left"][0] > 0.4
    assert found.halves["right"][0] < -0.4
    assert found.error[0] > 0.3


def test_other_content_in_a_part_of_the_field_does_not_mislead(image):
    moved = shifted(image, (-1.0, 0.7))
    moved[:50, :60] = image[60:110, 70:130]
    assert register(moved, image).whole == pytest.approx((1.0, -0.7), abs=0.1)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
def test_padding_says_nothing(image, share):
    padding = round(share * image.shape[1])
    moved, still = shifted(image, (-1.0, 0.7)), image.copy()
    moved[:, :padding] = still[:, :padding] = 0
    found = register(moved, still)
    assert found.whole == pytest.approx((1.0, -0.7), abs=0.25)
    assert np.isnan(found.halves["left"]).all() == (share > 0.5)
    assert np.all(np.isfinite(found.error))


def test_a_flat_image_cannot_be_registered(image):
    assert register(np.full_like(image, 7), image) is None
    assert register(image, np.zeros_like(image)) is None


def test_halves_are_opposite(image):
    for half, other in OPPOSITE.items():
        for field in (image[None, None], np.stack([image, image])[None], np.stack([[image, image]] * 2)):
            assert half_of(field, half).size + half_of(field, other).size == field.size
