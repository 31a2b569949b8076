"""Views that are wrong by a little, and views that are right."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from napari_emgauss.io.store import JobMemory
from napari_emgauss.methods.gem.refinement.rounds import refine_views
from napari_emgauss.methods.gem.setup import prepare
from napari_emgauss.methods.gem.study import study
from napari_emgauss.metrics import fourier_shell_correlation
from napari_emgauss.phantoms import phantom_molecule
from napari_emgauss.training import Control, Watch


def mistaken(particles, seed=1):
    """Turned by 3° and shifted by 1 px, root mean square."""
    rng, n = np.random.default_rng(seed), len(particles)
    changes = np.zeros((n, 6))
    changes[:, :3] = np.deg2rad(3) / np.sqrt(3) * rng.standard_normal((n, 3))
    changes[:, 3:5] = rng.standard_normal((n, 2)) / np.sqrt(2)
    return particles.with_changed_views(changes)


def refined(particles, store=None, control=None, **settings):
    found = study(prepare(particles, **settings))
    return found, refine_views(found, store or JobMemory(), Watch(control or Control(), lambda event: None))


def errors(particles, true):
    """Root mean square turn in degrees and shift in px."""
    turns = Rotation.from_matrix(particles.rotations @ true.rotations.transpose(0, 2, 1)).magnitude()
    shifts = particles.shifts_px - true.shifts_px
    return np.rad2deg(np.sqrt((turns**2).mean())), np.sqrt((shifts**2).sum(1).mean())


LARGE = phantom_molecule(400, radius_angstrom=80, width_angstrom=5.0)


@pytest.fixture(scope="module")
def clear(simulated):
    """Of a molecule that is wide enough for a turn by 3° to be seen."""
    return simulated(snr=2.0, n=140, box=32, molecule=LARGE)


@pytest.fixture(scope="module")
def mended(clear):
    return refined(mistaken(clear))


def test_views_that_are_wrong_by_a_little_come_back_to_less_than_half_of_that_error(clear, mended):
    found, refinement = mended
    turned, shifted = errors(found.setup.particles, clear)
    assert (turned, shifted) == (pytest.approx(3, rel=0.15), pytest.approx(1, rel=0.15))
    assert refinement.about["taken"]
    after = errors(refinement.found.setup.particles, clear)
    assert after[0] < 0.5 * turned
    assert after[1] < 0.5 * shifted


def test_the_map_is_better_with_them(mended):
    found, refinement = mended
    truth = LARGE.map(32, 6.0)
    before, after = (fourier_shell_correlation(own.wiener, truth).resolution(0.5) for own in (found, refinement.found))
    assert after < 0.95 * before


def test_views_that_are_right_stay_as_they_are(particles):
    found, refinement = refined(particles)
    assert refinement.found is found
    assert refinement.changes is None
    assert not refinement.about["taken"]


def test_images_of_one_half_have_no_influence_on_the_other_s_views(particles):
    halves = np.arange(len(particles)) % 2
    spoiled = particles.images.array.copy()
    spoiled[halves == 1] += 0.05 * np.random.default_rng(1).standard_normal(spoiled[halves == 1].shape)
    changes = []
    for images in (particles.images.array, spoiled):
        own = dataclasses.replace(particles, halves=halves, images=type(particles.images)(images))
        changes.append(refined(own, refine="on", prior_weight=0.0, whiten=False)[1].changes)
    first, second = (np.abs(changes[0] - changes[1])[halves == half].max() for half in (0, 1))
    # The noise of all images is measured together, which weighs both halves' priors alike.
    assert first < 0.05 * second


def test_what_was_decided_is_kept_and_a_stop_leaves_views_as_they_were(clear, mended):
    own, store, control = mistaken(clear), JobMemory(), Control()
    _, refinement = mended
    store.save_record("views", refinement.about, {"changes": torch.from_numpy(refinement.changes)})
    assert np.array_equal(refined(own, store)[1].found.wiener, refinement.found.wiener)
    control.stop()
    found, stopped = refined(own, control=control)
    assert stopped.found is found
