from __future__ import annotations

import numpy as np
import pytest

from napari_emgauss.gaussians.lattice import Lattice
from napari_emgauss.methods.svr.fitting.edges import STRENGTH, edge_weights


@pytest.mark.parametrize("brightness", [1e-3, 1.0, 1e4])
def test_a_contour_is_smoothed_along_itself_like_noise_and_hardly_across_whatever_the_brightness(brightness):
    lattice = Lattice(1.0, np.zeros(3, int), np.ones((10, 10, 10), bool))
    pairs, right = lattice.pairs(), lattice.positions[:, 2] > 4.5
    noisy = np.where(right, 2.0, 1.0) + 0.03 * np.random.default_rng(0).standard_normal(1000)
    weights = edge_weights((brightness * noisy).astype(np.float32), lattice)
    across = right[pairs[:, 0]] != right[pairs[:, 1]]
    near = np.abs(lattice.positions[pairs][:, :, 2] - 4.5).max(1) < 1
    far = np.abs(lattice.positions[pairs][:, :, 2] - 4.5).min(1) > 2
    assert weights[across].max() < 0.05 * STRENGTH
    assert np.median(weights[near & ~across]) > 0.5 * STRENGTH
    assert np.median(weights[far]) > 0.5 * STRENGTH


def test_where_nothing_is_all_is_smoothed_alike():
    lattice = Lattice(1.0, np.zeros(3, int), np.ones((3, 3, 3), bool))
    weights = edge_weights(np.zeros(27, np.float32), lattice)
    np.testing.assert_array_equal(weights, np.full(len(lattice.pairs()), STRENGTH))
