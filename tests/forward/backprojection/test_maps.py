"""Plain and most probable maps of particles without noise, and with."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_emgauss.forward.backprojection.map_estimate import (
    inverse_tau_of,
    most_likely_map,
    scaled_shells,
    scaled_to,
    shell_factors,
    with_prior,
)
from napari_emgauss.forward.backprojection.noise import found_sign, noise_power, noise_weights
from napari_emgauss.forward.backprojection.sums import LikelihoodSums, PlainSums, coefficients
from napari_emgauss.forward.backprojection.wiener import shell_means, signal_to_noise, wiener_maps
from napari_emgauss.forward.simulation import simulate_particles
from napari_emgauss.metrics.maps import half_shells, soft_sphere
from napari_emgauss.particles import CtfParameters
from napari_emgauss.phantoms import phantom_molecule

BOX, PIXEL, N = 24, 6.0, 120
MOLECULE = phantom_molecule(300, radius_angstrom=45, width_angstrom=6.0)
TRUTH = MOLECULE.map(BOX, PIXEL)
MASK = soft_sphere(BOX, 9.0)


def particles(snr, seed=0):
    rng = np.random.default_rng(seed)
    ctf = CtfParameters(
        defocus_u_angstrom=rng.uniform(10000, 25000, N),
        defocus_v_angstrom=rng.uniform(10000, 25000, N),
        defocus_angle_deg=rng.uniform(0, 180, N),
        voltage_kv=np.full(N, 300.0),
        cs_mm=np.full(N, 2.7),
        amplitude_contrast=np.full(N, 0.1),
        phase_shift_deg=np.zeros(N),
        b_factor=np.zeros(N),
    )
    return simulate_particles(
        lambda rotations: MOLECULE.project(rotations, BOX, PIXEL),
        box_px=BOX,
        pixel_size_angstrom=PIXEL,
        rotations=Rotation.random(N, rng=seed).as_matrix(),
        shifts_angstrom=rng.uniform(-6, 6, (N, 2)),
        parameters=ctf,
        snr=snr,
        rng=rng,
        noise_power=np.linspace(3, 1, 13),
    )


def sums_of(own, weight=1.0):
    halves = []
    for half in (0, 1):
        sums = LikelihoodSums(BOX), PlainSums(BOX)
        images = coefficients(own, range(half, N, 2))
        for kind in sums:
            kind.add(images, own.rotations[images.indices], np.full(images.values.shape, weight, np.float32))
        halves.append((sums[0].equations(), sums[1].sums))
    return halves


def correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


@pytest.fixture(scope="module")
def noisy():
    own = particles(0.1)
    return own, sums_of(own)


def test_both_maps_show_the_molecule(noisy):
    _, halves = noisy
    plain = wiener_maps(halves[0][1], halves[1][1], MASK)
    first, second = (half[0] for half in halves)
    inverse_tau, _ = inverse_tau_of(first, second, MASK)
    likely = most_likely_map(with_prior(first + second, 0.25 * inverse_tau), MASK)
    assert correlation(plain.filtered, TRUTH) > 0.9
    assert correlation(likely, TRUTH) > 0.9
    assert correlation(plain.filtered[:, :, ::-1], TRUTH) < 0.8  # not its mirror image


def test_the_most_likely_map_cannot_be_improved(noisy):
    posterior = with_prior(noisy[1][0][0], np.full(13, 50.0))
    best = most_likely_map(posterior, MASK, steps=60)
    least = posterior.loss(best)
    for seed in range(3):
        change = MASK * np.random.default_rng(seed).standard_normal(best.shape).astype(np.float32)
        assert posterior.loss(best + 1e-2 * best.std() * change) > least


def test_a_map_is_scaled_to_what_explains_the_images_best(noisy):
    equations = noisy[1][0][0]
    factor = scaled_to(TRUTH, equations)
    losses = [equations.loss((part * factor * TRUTH).astype(np.float32)) for part in (0.9, 1.0, 1.1)]
    assert min(losses) == losses[1]
    assert scaled_to(0 * TRUTH, equations) == 0


def test_shells_that_hold_only_noise_are_taken_out(noisy):
    halves = noisy[1][0][0], noisy[1][1][0]
    scale = scaled_to(TRUTH, halves[0] + halves[1])
    noise = np.random.default_rng(5).standard_normal(TRUTH.shape).astype(np.float32)
    low = np.arange(13) <= 5
    mixed = scaled_shells(TRUTH * np.float32(scale), 1.0 * low) + scaled_shells(noise * MASK, 1.0 * ~low)
    (factors,) = shell_factors([mixed], [mixed], halves)
    assert factors[2:5] == pytest.approx(1, abs=0.3)
    assert factors[8:].max() < 0.5


def test_of_two_maps_the_one_that_explains_other_images_is_taken(noisy):
    halves = noisy[1][0][0], noisy[1][1][0]
    noise = np.random.default_rng(6).standard_normal(TRUTH.shape).astype(np.float32) * MASK * TRUTH.std()
    sources = [TRUTH * np.float32(scaled_to(TRUTH, halves[0] + halves[1])), noise]
    good, bad = shell_factors(sources, sources, halves)
    assert good[2:6] == pytest.approx(1, abs=0.35)
    assert bad[2:6].max() < 0.1


def test_scaling_every_shell_alike_scales_the_map():
    assert np.allclose(scaled_shells(TRUTH, np.full(13, 2.0)), 2 * TRUTH, atol=1e-4 * TRUTH.max())


def test_beyond_what_images_hold_a_map_is_no_louder_than_just_within():
    first, second = (half[0] for half in sums_of(particles(20.0)))
    prior = 0.1 * inverse_tau_of(first, second, MASK)[0]
    spectrum = np.abs(np.fft.rfftn(most_likely_map(with_prior(first, prior), MASK))) ** 2
    within, beyond = (spectrum[part].mean() for part in (abs(half_shells(24) - 10) < 0.5, half_shells(24) > 12))
    assert beyond < within


def test_a_prior_is_added_to_every_shell(noisy):
    equations = noisy[1][0][0]
    posterior = with_prior(equations, np.full(13, 7.0))
    assert (shell_means(posterior.spectrum) - shell_means(equations.spectrum))[1:12] == pytest.approx(7, rel=0.01)


def test_nothing_is_trusted_beyond_the_first_shell_without_correlation():
    ratio = signal_to_noise(np.array([1.0, 0.9, 0.5, -0.1, 0.4]))
    assert ratio[:3] == pytest.approx([999, 9, 1])
    assert ratio[3:].max() < 0.01


@pytest.mark.parametrize("sign", [1, -1])
def test_the_sign_of_particles_is_found(sign):
    own = particles(0.1)
    turned = type(own)(**{**vars(own), "data_sign": 0})
    turned.images.array[:] *= sign
    assert found_sign(turned, np.arange(N)) == sign


def test_the_spectrum_of_the_noise_is_found(noisy):
    power = noise_power(noisy[0], np.arange(N))
    assert power.shape == (1, 13)
    shells = np.arange(2, 12)
    expected = np.interp(shells, np.arange(13), np.linspace(3, 1, 13))
    found = power[0, shells] / power[0, shells].mean()
    assert found == pytest.approx(expected / expected.mean(), rel=0.25)
    weights = noise_weights(power, BOX)
    assert weights[0].max() / weights[0].min() > 2
    assert np.ptp(noise_weights(power, BOX, whiten=False)) == 0
