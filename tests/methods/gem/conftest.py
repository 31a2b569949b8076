"""Particles of a phantom molecule, small enough to train on in a second."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_emgauss.forward.simulation import simulate_particles
from napari_emgauss.particles import CtfParameters
from napari_emgauss.phantoms import phantom_molecule

BOX, PIXEL, N = 24, 6.0, 160
MOLECULE = phantom_molecule(300, radius_angstrom=45, width_angstrom=6.0)


def simulated_particles(seed=0, snr=0.2, n=N, box=BOX, molecule=MOLECULE, noise_power=None, **changes):
    rng = np.random.default_rng(seed)
    ctf = CtfParameters(
        defocus_u_angstrom=rng.uniform(10000, 25000, n),
        defocus_v_angstrom=rng.uniform(10000, 25000, n),
        defocus_angle_deg=rng.uniform(0, 180, n),
        voltage_kv=np.full(n, 300.0),
        cs_mm=np.full(n, 2.7),
        amplitude_contrast=np.full(n, 0.1),
        phase_shift_deg=np.zeros(n),
        b_factor=np.zeros(n),
    )
    made = simulate_particles(
        lambda rotations: molecule.project(rotations, box, PIXEL),
        box_px=box,
        pixel_size_angstrom=PIXEL,
        rotations=Rotation.random(n, rng=seed).as_matrix(),
        shifts_angstrom=rng.uniform(-6, 6, (n, 2)),
        parameters=ctf,
        snr=snr,
        rng=rng,
        noise_power=noise_power,
    )
    return type(made)(**{**vars(made), **changes})


@pytest.fixture(scope="session")
def particles():
    return simulated_particles()


@pytest.fixture(scope="session")
def simulated():
    return simulated_particles


@pytest.fixture(scope="session")
def truth():
    return MOLECULE.map(BOX, PIXEL)


QUICK = {"n_gaussians": 300, "shape_iterations": 24, "likelihood_iterations": 12, "refine": "off"}


@pytest.fixture(scope="session")
def quick():
    return dict(QUICK)


@pytest.fixture(scope="session")
def told(particles, quick):
    """A map, and all that was told while it was learned."""
    from napari_emgauss.methods.gem import reconstruct_particles
    from napari_emgauss.training import RunConfig

    events = []
    eager = RunConfig(preview_every_s=1e-9)
    return reconstruct_particles(particles, on_event=events.append, run_config=eager, **quick), events


@pytest.fixture(scope="session")
def reconstructed(told):
    return told[0]
