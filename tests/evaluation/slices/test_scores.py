import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_emgauss.evaluation.slices import score_volume
from napari_emgauss.slices import WorldVolume


def test_where_and_how_bright_a_volume_is_does_not_count(acquired):
    away = np.eye(4)
    away[:3, :3], away[:3, 3] = Rotation.from_rotvec([0.05, -0.04, 0.03]).as_matrix(), (1, -2, 1.5)
    score = score_volume(
        WorldVolume(3 * acquired.truth.values, away @ acquired.truth.affine), acquired.truth, acquired.mask
    )
    assert score.psnr_db > 40
    assert score.ssim > 0.99
    assert score.correlation > 0.999


def test_noise_has_the_psnr_of_its_variance(acquired):
    noise = 20 * np.random.default_rng(0).standard_normal(acquired.truth.values.shape).astype(np.float32)
    score = score_volume(
        WorldVolume(acquired.truth.values + noise, acquired.truth.affine), acquired.truth, acquired.mask
    )
    peak = np.ptp(acquired.truth.values[acquired.mask])
    assert score.psnr_db == pytest.approx(20 * np.log10(peak / 20), abs=0.1)


def test_the_alignment_starts_where_one_says(acquired):
    away = np.eye(4)
    away[:3, 3] = 25, 0, 0
    moved = WorldVolume(acquired.truth.values, away @ acquired.truth.affine)
    assert score_volume(moved, acquired.truth, acquired.mask, start=away).psnr_db > 60
