from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_emgauss.methods.svr.config import SvrConfig
from napari_emgauss.methods.svr.fitting.motion import moved_slices, with_gauge
from napari_emgauss.slices.motion import affines, motion_error


@pytest.fixture(scope="module")
def exact(fitted):
    """Slices that are what the field shows at their true places, without noise."""
    measured, layout = fitted.measured, fitted.measured.layout
    slices = [replace(own, image=layout.image(fitted.drawn, s)) for s, own in enumerate(measured.slices)]
    return fitted._replace(measured=replace(measured, slices=slices))


def large(fitted) -> np.ndarray:
    """Which slices show enough to tell how they lie."""
    return np.array([own.inside.sum() > 300 for own in fitted.measured.slices])


def stepped(fitted, motion: np.ndarray, *, smooth: bool) -> np.ndarray:
    cuts = fitted.cuts(motion)
    return moved_slices(
        fitted.measured, cuts, fitted.amplitude, motion, fitted.measured.inside, SvrConfig(), smooth=smooth
    )


@pytest.mark.parametrize("smooth", [False, True])
def test_steps_take_slices_to_where_they_fit(exact, smooth):
    pivots, weights = exact.measured.pivots, large(exact).astype(float)
    scale = np.repeat([np.deg2rad(1.0), 0.5], 3)
    disturbed = exact.motion + np.random.default_rng(1).standard_normal(exact.motion.shape) * scale
    before = motion_error(disturbed, exact.motion, pivots, weights=weights)
    motion = disturbed
    for _ in range(3):
        motion = stepped(exact, motion, smooth=smooth)
    after = motion_error(motion, exact.motion, pivots, weights=weights)
    assert after[0] < 0.15 * before[0]
    assert after[1] < 0.15 * before[1]


def test_where_slices_fit_already_they_stay(exact):
    change = (stepped(exact, exact.motion, smooth=False) - exact.motion)[large(exact)]
    assert np.rad2deg(np.abs(change[:, :3])).max() < 0.1
    assert np.abs(change[:, 3:]).max() < 0.05


def test_the_gauge_moves_all_slices_alike_and_leaves_the_first_stack_where_it_is(fitted):
    turned = fitted.motion + np.array([0.1, 0, 0, 3.0, -2.0, 1.0])
    fixed = with_gauge(fitted.measured, turned, np.ones(len(fitted.measured)))
    first = fitted.measured.stack_of == 0
    assert np.abs(fixed[first].mean(0)).max() < 0.02
    between = affines(fixed, fitted.measured.pivots) @ np.linalg.inv(affines(turned, fitted.measured.pivots))
    np.testing.assert_allclose(between, np.broadcast_to(between[0], between.shape), atol=1e-9)
