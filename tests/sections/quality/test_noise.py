import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_emgauss.phantoms import phantom
from napari_emgauss.sections import denoise_lightly, estimate_noise, noise_level, psnr_ceiling_db
from napari_emgauss.volume import Volume


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


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3e38, -3e38])
@pytest.mark.parametrize("at", [0, 3])
def test_a_pixel_that_is_no_intensity_does_not_change_the_estimate(value, at):
    clean = phantom((7, 64, 64))
    data = np.asarray(clean.data, np.float32)
    expected = estimate_noise(Volume(data, clean.voxel_size_nm))
    spoilt = data.copy()
    spoilt[at, 30, 30] = value
    found = estimate_noise(Volume(spoilt, clean.voxel_size_nm))
    assert found.sigma == pytest.approx(expected.sigma, rel=0.1)
    assert found.psnr_ceiling_db == pytest.approx(expected.psnr_ceiling_db, abs=1)


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_stack_without_a_finite_section_has_no_noise_that_could_be_told(value):
    found = estimate_noise(Volume(np.full((3, 32, 32), value, np.float32), (40, 4, 4)))
    assert (found.sigma, found.psnr_ceiling_db) == (0, np.inf)
