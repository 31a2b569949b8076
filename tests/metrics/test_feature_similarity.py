"""FSIM against values of piq 0.8.0, and by its laws."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_emgauss.errors import VolumeError
from napari_emgauss.metrics import fsim

# piq.fsim(chromatic=False, data_range=1.0) in float64 of (texture, noisy) and of (texture, blurred), made by `images`.
PIQ_VALUES = {
    (64, 64): (0.867591, 0.977306),
    (96, 80): (0.817139, 0.973648),
    (65, 71): (0.843955, 0.974492),
    (300, 270): (0.780272, 0.978692),
    (400, 520): (0.952544, 0.980106),
}


def images(shape):
    rng = np.random.default_rng(0)
    texture = gaussian_filter(rng.standard_normal(shape), 3.0)
    texture = (texture - texture.min()) / (texture.max() - texture.min())
    noisy = np.clip(texture + 0.08 * rng.standard_normal(shape), 0, 1)
    texture = texture.astype(np.float32)
    return texture, noisy.astype(np.float32), np.clip(gaussian_filter(texture, 1.5), 0, 1)


@pytest.mark.parametrize("shape", PIQ_VALUES)
def test_values_agree_with_piq(shape):
    texture, noisy, blurred = images(shape)
    assert (fsim(texture, noisy), fsim(texture, blurred)) == pytest.approx(PIQ_VALUES[shape], abs=5e-5)


def test_an_image_is_fully_similar_to_itself():
    texture, _, _ = images((64, 48))
    assert fsim(texture, texture) == pytest.approx(1)


def test_the_order_of_the_images_does_not_matter():
    texture, noisy, _ = images((64, 48))
    assert fsim(texture, noisy) == pytest.approx(fsim(noisy, texture))


def test_turning_both_images_by_a_right_angle_keeps_the_score():
    texture, noisy, _ = images((64, 64))
    assert fsim(np.rot90(texture), np.rot90(noisy)) == pytest.approx(fsim(texture, noisy), abs=0.02)


def test_more_noise_scores_lower():
    texture, _, _ = images((64, 64))
    noise = np.random.default_rng(1).standard_normal(texture.shape)
    scores = [fsim(texture, texture + sigma * noise) for sigma in (0.01, 0.05, 0.2)]
    assert scores == sorted(scores, reverse=True)


def test_intensity_unit_is_taken_out_by_the_data_range():
    texture, noisy, _ = images((64, 64))
    assert fsim(texture * 4095, noisy * 4095, data_range=4095) == pytest.approx(fsim(texture, noisy), abs=1e-4)


def test_featureless_images_score_one():
    assert fsim(np.full((32, 32), 0.5), np.full((32, 32), 0.5)) == pytest.approx(1)


def test_volumes_are_refused():
    with pytest.raises(VolumeError, match=r"2 axes, got shape \(4, 20, 20\)"):
        fsim(np.zeros((4, 20, 20)), np.zeros((4, 20, 20)))
