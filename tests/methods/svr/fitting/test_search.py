from __future__ import annotations

import numpy as np
import torch

from napari_emgauss.gaussians import SolidGaussians
from napari_emgauss.gaussians.lattice import SCALE
from napari_emgauss.methods.svr import SvrConfig
from napari_emgauss.methods.svr.fitting.search import far_from_neighbours, found_again, with_doubted_tried


def field_of(fitted) -> SolidGaussians:
    return SolidGaussians.round(fitted.mean, SCALE * 1.6, torch.from_numpy(fitted.amplitude))


def large_sound_slice(fitted) -> int:
    sizes = np.array([own.inside.sum() for own in fitted.measured.slices])
    return int(np.argmax(np.where(fitted.damaged, 0, sizes)))


def test_a_sound_slice_that_was_lost_is_found_from_where_its_neighbours_are(fitted):
    s = large_sound_slice(fitted)
    astray, weights = fitted.motion.copy(), np.where(fitted.damaged, 0.0, 1.0)
    astray[s] += np.repeat([np.deg2rad(15.0), 8.0], 3)
    weights[s] = 0
    found = found_again(fitted.measured, field_of(fitted), astray, weights, SvrConfig())
    wrong = np.abs(found - fitted.motion)[s]
    assert np.rad2deg(wrong[:3]).max() < 1.5
    assert wrong[3:].max() < 0.5


def test_a_damaged_slice_stays_where_its_neighbours_put_it(fitted):
    found = found_again(
        fitted.measured, field_of(fitted), fitted.motion, np.where(fitted.damaged, 0.0, 1.0), SvrConfig()
    )
    assert fitted.damaged.any()
    np.testing.assert_array_equal(found, fitted.motion)


def test_a_slice_far_from_its_neighbours_is_tried_on_what_the_others_show_however_well_it_fits(fitted):
    s, weights = large_sound_slice(fitted), np.where(fitted.damaged, 0.0, 1.0)
    astray = fitted.motion.copy()
    astray[s] += np.repeat([np.deg2rad(15.0), 8.0], 3)
    assert s in far_from_neighbours(fitted.measured, astray, weights)
    found = with_doubted_tried(fitted.measured, astray, weights, SvrConfig(), spacing_mm=1.6, smoothness=0.002)
    assert np.rad2deg(np.abs(found - fitted.motion)[s, :3]).max() < 1.5


def test_slices_that_moved_like_their_neighbours_are_not_doubted(fitted):
    weights = np.where(fitted.damaged, 0.0, 1.0)
    assert not len(far_from_neighbours(fitted.measured, fitted.motion, weights))
