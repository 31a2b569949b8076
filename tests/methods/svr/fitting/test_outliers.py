from __future__ import annotations

import numpy as np

from napari_emgauss.methods.svr.fitting.outliers import gains, pixel_weights, slice_weights


def test_damaged_slices_count_next_to_nothing_and_others_nearly_all(fitted):
    measured = fitted.measured
    weights = slice_weights(measured, measured.values - fitted.drawn)
    assert fitted.damaged.any()
    assert weights[fitted.damaged].max() < 0.1
    assert weights[~fitted.damaged].min() > 0.5


def test_at_least_half_of_the_slices_count_fully_whatever_is_left(fitted):
    rng = np.random.default_rng(0)
    noise = fitted.measured.layout.spread(rng.exponential(1, len(fitted.measured)) ** 4)
    weights = slice_weights(fitted.measured, noise * fitted.measured.inside)
    assert (weights == 1).mean() >= 0.5


def test_gains_are_found_whatever_slices_were_multiplied_by(fitted):
    measured = fitted.measured
    true = np.exp(0.1 * np.random.default_rng(0).standard_normal(len(measured)))
    true[fitted.damaged] = 1
    trust = np.where(fitted.damaged, 0.0, 1.0)
    before = gains(measured, fitted.drawn, measured.inside, trust)
    after = gains(measured, fitted.drawn / measured.layout.spread(true), measured.inside, trust)
    large = np.array([own.inside.sum() > 300 for own in measured.slices]) & ~fitted.damaged
    ratio = np.log(after / before / true)[large]
    assert ratio.std() < 0.03
    assert abs(np.average(np.log(after), weights=trust)) < 1e-9


def test_pixels_far_off_count_little_unless_they_were_not_fitted(fitted):
    measured = fitted.measured
    residual = 0.01 * np.random.default_rng(0).standard_normal(measured.layout.size).astype(np.float32)
    spike = np.flatnonzero(measured.inside)[100]
    residual[spike] = 1.0
    residual[measured.inside == 0] = 1.0
    weights = pixel_weights(measured, residual, measured.inside)
    assert weights[spike] < 0.01
    assert np.median(weights[measured.inside > 0]) > 0.9
    assert (weights[measured.inside == 0] == 1).all()
