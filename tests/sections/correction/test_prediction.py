"""Predictions of hidden sections."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_emgauss.sections.correction.prediction import carried_on, linear

Z = (0, 1, 3, 4, 6)
"""Sections that are kept."""


@pytest.fixture(scope="module")
def moving():
    """One texture that moves by 4 px in each section, as windows."""
    texture = gaussian_filter(np.random.default_rng(0).standard_normal((64, 96)), 4).astype(np.float32)
    return {z: texture[None, None, :, 4 * z : 4 * z + 64] / texture.std() for z in Z}


def _rms(prediction, truth):
    return float(np.sqrt(np.mean((prediction - truth)[..., 16:-16, 16:-16] ** 2)))


@pytest.mark.parametrize("without", [(), (0, 1), (4, 6)], ids=["both sides", "above only", "below only"])
def test_motion_goes_on_where_interpolation_blurs(moving, without):
    neighbours = {z: image for z, image in moving.items() if z != 3 and z not in without}
    assert _rms(carried_on(3, neighbours), moving[3]) < 0.2
    assert _rms(linear(3, {z: moving[z] for z in (1, 4)}), moving[3]) > 0.3


def test_linear_weights_are_those_of_the_distance():
    flat = {z: np.full((1, 2, 8, 8), float(z), np.float32) for z in (1, 4)}
    np.testing.assert_allclose(linear(3, flat), 3.0, rtol=1e-6)


def test_motion_needs_two_sections_on_one_side(moving):
    with pytest.raises(ValueError, match="two sections on one side"):
        carried_on(3, {z: moving[z] for z in (1, 4)})
