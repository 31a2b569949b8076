"""Sections around a gap, as they are and carried along optical flow."""

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_emgauss.interpolation.lateral.alignment import SurroundingSections


def mse(image, truth):
    return float(np.mean((image - truth) ** 2))


def test_alignment_carries_a_moving_texture_to_the_phase():
    big = gaussian_filter(np.random.default_rng(3).standard_normal((140, 140)).astype(np.float32), 4)
    shift = 4
    stack = np.stack([big[20 + shift * k : 100 + shift * k, 30:110] for k in range(4)])
    wanted = big[20 + shift + shift // 2 :][:80, 30:110]
    aligned = SurroundingSections(stack, reach=2).aligned(1, 0.5)
    inner = np.s_[16:-16, 16:-16]
    for image, untouched in zip(aligned, stack, strict=True):
        assert mse(image[inner], wanted[inner]) < 0.05 * mse(untouched[inner], wanted[inner])


def test_beyond_the_ends_the_last_section_repeats(sections):
    neighbours = SurroundingSections(sections, reach=3)
    np.testing.assert_array_equal(neighbours.straight(0), sections[[0, 0, 0, 1, 2, 3]])
    assert neighbours.aligned(len(sections) - 2, 0.3).shape == (6, *sections.shape[1:])
