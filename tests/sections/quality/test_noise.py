import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_emgauss.phantoms import phantom
from napari_emgauss.sections import denoise_lightly, estimate_noise, noise_level, psnr_ceiling_db


@pytest.fixture(scope="module")
def texture():
    image = gaussian_filter(np.random.default_rng(0).standard_normal((64, 72)), 3)
    return (0.5 + 0.15 * image / image.std()).astype(np.float32)


@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_the_noise_level_is_found_on_structure(texture, sigma):
    noise = sigma * np.random.default_rng(1).standard_normal(texture.shape, dtype=np.float32)
    assert noise_level(texture + noise) == pytest.approx(sigma, rel=0.15)


def test_light_denoising_removes_noise_and_leaves_clean_images_alone(texture):
    noisy = texture + 0.1 * np.random.default_rng(1).standard_normal(texture.shape, dtype=np.float32)
    assert np.std(denoise_lightly(noisy) - texture) < 0.7 * np.std(noisy - texture)
    flat = np.full((20, 20), 0.3, np.float32)
    assert np.array_equal(denoise_lightly(flat), flat)


def test_the_ceiling_is_what_a_perfect_reconstruction_scores(texture):
    noise = 0.05 * np.random.default_rng(2).standard_normal(texture.shape)
    reached = -10 * np.log10(np.mean(noise**2))
    assert psnr_ceiling_db(0.05) == pytest.approx(reached, abs=0.3)
    assert psnr_ceiling_db(0.05 * 255, 255) == pytest.approx(psnr_ceiling_db(0.05))


def test_a_noisier_volume_has_a_lower_ceiling():
    quiet, loud = (estimate_noise(phantom((7, 64, 64), noise=noise)) for noise in (0.02, 0.1))
    assert quiet.sigma < loud.sigma
    assert quiet.psnr_ceiling_db > loud.psnr_ceiling_db + 6
