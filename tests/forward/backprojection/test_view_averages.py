import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_emgauss.forward.backprojection.view_averages import view_average
from napari_emgauss.forward.simulation import simulate_particles
from napari_emgauss.particles import CtfParameters
from napari_emgauss.phantoms import phantom_molecule

BOX, PIXEL, N = 32, 5.0, 40
MOLECULE = phantom_molecule(300, radius_angstrom=45, width_angstrom=6.0)


@pytest.fixture(scope="module")
def one_view():
    """Particles of one direction, turned in the plane and shifted, with noise; and their projection as the first."""
    rng = np.random.default_rng(0)
    tilt = Rotation.from_euler("xyz", (20, 50, -30), degrees=True)
    rotations = (Rotation.from_euler("z", rng.uniform(0, 360, (N, 1)), degrees=True) * tilt).as_matrix()
    defocus = rng.uniform(8000, 20000, N)
    parameters = CtfParameters(
        defocus_u_angstrom=defocus,
        defocus_v_angstrom=defocus + 1500,
        defocus_angle_deg=rng.uniform(0, 180, N),
        voltage_kv=np.full(N, 300.0),
        cs_mm=np.full(N, 2.7),
        amplitude_contrast=np.full(N, 0.1),
        phase_shift_deg=np.zeros(N),
        b_factor=np.zeros(N),
    )
    particles = simulate_particles(
        lambda some: MOLECULE.project(some, BOX, PIXEL),
        box_px=BOX,
        pixel_size_angstrom=PIXEL,
        rotations=rotations,
        shifts_angstrom=rng.uniform(-10, 10, (N, 2)),
        parameters=parameters,
        snr=0.5,
        rng=rng,
    )
    return particles, MOLECULE.project(rotations[:1], BOX, PIXEL)[0]


def test_an_average_shows_the_projection_turned_and_centred_as_the_particle(one_view):
    particles, truth = one_view
    average = view_average(particles, 0)
    assert (average.n_particles, average.within_deg) == (8, pytest.approx(0, abs=1e-3))
    agreement = np.corrcoef(average.image.ravel(), truth.ravel())[0, 1]
    alone = np.corrcoef(particles.read([0])[0].ravel(), truth.ravel())[0, 1]
    assert agreement > 0.85
    assert agreement > alone + 0.2


def test_neighbours_are_those_of_the_closest_directions(one_view):
    particles, _ = one_view
    tilted = (Rotation.from_euler("x", np.linspace(0, 78, N)[:, None], degrees=True)).as_matrix()
    average = view_average(type(particles)(**{**vars(particles), "rotations": tilted, "ctf": None}), 0)
    assert average.within_deg == pytest.approx(14.0)
