"""What images say before Gaussians are trained, where two optics groups have noise of different colours."""

from dataclasses import fields, replace

import numpy as np
import pytest

from napari_emgauss.forward.backprojection.sums import kept_frequencies
from napari_emgauss.methods.gem import reconstruct_particles
from napari_emgauss.methods.gem.setup import prepare
from napari_emgauss.methods.gem.study import study
from napari_emgauss.particles import ArrayImages, CtfParameters

RED = np.geomspace(16, 1, 13)
BLUE = RED[::-1]


@pytest.fixture(scope="module")
def two_groups(simulated):
    """Particles of one molecule: half of them with red noise, half with blue."""
    red, blue = (simulated(seed, snr=0.05, noise_power=power) for seed, power in ((1, RED), (2, BLUE)))
    n = len(red)
    ctf = {own.name: np.concatenate([getattr(p.ctf, own.name) for p in (red, blue)]) for own in fields(CtfParameters)}
    return replace(
        red,
        images=ArrayImages(np.concatenate([p.images.read(range(n)) for p in (red, blue)])),
        rotations=np.concatenate([red.rotations, blue.rotations]),
        shifts_angstrom=np.concatenate([red.shifts_angstrom, blue.shifts_angstrom]),
        ctf=CtfParameters(**ctf),
        optics_group=np.repeat([0, 1], n),
        optics_names=("red", "blue"),
    )


def correlation(density, truth):
    return np.corrcoef(density.ravel(), truth.ravel())[0, 1]


def test_every_optics_group_is_weighted_by_its_own_noise(two_groups):
    weights = study(prepare(two_groups, refine="off")).weights
    radius = np.hypot(*kept_frequencies(two_groups.box_px)[1].T)
    known = radius > 1.5  # the background's mean was taken off
    for own, power in zip(weights, (RED, BLUE), strict=True):
        by_noise = own * np.interp(radius, np.arange(13), power)
        assert by_noise[known].std() < 0.2 * by_noise[known].mean()


def test_groups_that_are_weighted_by_their_own_noise_give_a_better_map_than_as_one(two_groups, truth):
    as_one = replace(two_groups, optics_group=np.zeros(len(two_groups), np.int64), optics_names=("all",))
    apart, together = (
        np.mean([correlation(half, truth) for half in study(prepare(own, refine="off")).targets])
        for own in (two_groups, as_one)
    )
    assert apart > together + 0.005


def test_the_result_is_better_than_with_white_weights(two_groups, truth, quick):
    settings = {"amplitudes": "positive", **quick}
    coloured, white = (
        correlation(reconstruct_particles(two_groups, whiten=whiten, **settings).map().values, truth)
        for whiten in (True, False)
    )
    assert coloured > white
