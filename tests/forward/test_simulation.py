import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_emgauss.forward.simulation import phantom_particles, projections_of, radial_noise, simulate_particles
from napari_emgauss.phantoms import phantom_molecule

MOLECULE = phantom_molecule(200, radius_angstrom=40)
ROTATIONS = Rotation.random(4, rng=1).as_matrix()


def simulated(snr=np.inf, shifts=None):
    return simulate_particles(
        lambda rotations: MOLECULE.project(rotations, 32, 4.0),
        box_px=32,
        pixel_size_angstrom=4.0,
        rotations=ROTATIONS,
        shifts_angstrom=np.zeros((4, 2)) if shifts is None else shifts,
        parameters=None,
        snr=snr,
        rng=np.random.default_rng(0),
    )


def test_projections_of_atoms_and_of_their_map_agree():
    sliced = projections_of(MOLECULE.map(32, 4.0))(ROTATIONS)
    direct = MOLECULE.project(ROTATIONS, 32, 4.0)
    assert np.abs(sliced - direct).max() < 0.01 * direct.max()


def test_an_image_moved_by_its_shift_is_the_centred_one():
    shifts = np.array([[8.0, -4.0]] * 4)
    moved = simulated(shifts=shifts).images.read([2])[0]
    assert np.allclose(np.roll(moved, (-1, 2), (0, 1)), simulated().images.read([2])[0], atol=1e-4)


def test_signal_and_noise_have_the_ratio_asked_for():
    clean = simulated().images.read(range(4))
    noise = simulated(snr=0.1).images.read(range(4)) - clean
    assert clean.var() / noise.var() == pytest.approx(0.1, rel=0.1)


def test_noise_has_the_spectrum_asked_for():
    power = np.array([4.0] * 8 + [1.0] * 9)
    noise = radial_noise(power, 32, 400, np.random.default_rng(0))
    spectrum = (np.abs(np.fft.fft2(noise)) ** 2).mean(0)
    assert spectrum[2, 3] / spectrum[10, 5] == pytest.approx(4, rel=0.3)


def test_the_sample_of_particles_shows_its_molecule_in_views_that_differ():
    particles, molecule = phantom_particles(30, box_px=32, snr=np.inf), phantom_molecule()
    seen = particles.images.read(range(30))
    drawn = molecule.project(particles.rotations, 32, 4.0)
    agreement = [
        np.corrcoef(np.abs(np.fft.rfft2(a))[1:9, 1:9].ravel(), np.abs(np.fft.rfft2(b))[1:9, 1:9].ravel())[0, 1]
        for a, b in zip(seen, drawn, strict=True)
    ]
    assert np.mean(agreement) > 0.5
    assert len(np.unique(particles.ctf.defocus_u_angstrom)) == 30
