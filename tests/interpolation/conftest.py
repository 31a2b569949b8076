"""A texture without a preferred axis, its sections, and a network trained on them."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_emgauss.interpolation.lateral import LateralConfig, train_lateral

FACTOR = 5


QUICK = LateralConfig(
    steps=300, channels=16, dilations=(1, 2, 4), coefficients=6, batch_rows=24, window_px=64, evidence_sections=4
)


@pytest.fixture(scope="session")
def truth():
    """Texture that looks alike along z, y and x, with noise."""
    rng, shape = np.random.default_rng(0), (31, 72, 72)
    texture = gaussian_filter(rng.standard_normal(shape, np.float32), 3.5, mode="wrap")
    texture = 0.5 + 0.15 * texture / texture.std()
    return np.asarray(texture + 0.03 * rng.standard_normal(shape), np.float32)


@pytest.fixture(scope="session")
def sections(truth):
    return np.ascontiguousarray(truth[::FACTOR])


@pytest.fixture(scope="session")
def trained(sections):
    return train_lateral(sections, FACTOR, config=QUICK)
