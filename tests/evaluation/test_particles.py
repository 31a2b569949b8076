import dataclasses

import numpy as np
import pytest
from particle_files import REAL, needs
from scipy.spatial.transform import Rotation

from napari_emgauss.evaluation.particles import leave_one_out_correlation
from napari_emgauss.forward.simulation import simulate_particles
from napari_emgauss.io.particles import read_particles
from napari_emgauss.phantoms import phantom_molecule

MOLECULE = phantom_molecule(200, radius_angstrom=40, width_angstrom=6.0)


@pytest.fixture(scope="module")
def simulated():
    return simulate_particles(
        lambda rotations: MOLECULE.project(rotations, 20, 6.0),
        box_px=20,
        pixel_size_angstrom=6.0,
        rotations=Rotation.random(16, rng=0).as_matrix(),
        shifts_angstrom=np.zeros((16, 2)),
        parameters=None,
        snr=1.0,
        rng=np.random.default_rng(0),
    )


def test_an_image_agrees_with_the_map_of_the_others_at_its_own_pose_only(simulated):
    true = leave_one_out_correlation(simulated)
    inverse = simulated.rotations.transpose(0, 2, 1)
    wrong = leave_one_out_correlation(dataclasses.replace(simulated, rotations=inverse))
    assert true.shape == (16,)
    assert true.mean() > wrong.mean() + 0.02


@needs(REAL)
def test_real_particles_agree_at_their_poses_and_hardly_at_any_others():
    own = read_particles(REAL / "real_particles/sample_particles_relion30.star", box_px=32)
    true = leave_one_out_correlation(own, lowest_angstrom=20.0).mean()
    inverse = own.rotations.transpose(0, 2, 1)
    others = [Rotation.random(17, rng=seed).as_matrix() for seed in range(5)]
    wrong = [
        leave_one_out_correlation(dataclasses.replace(own, rotations=rotations), lowest_angstrom=20.0).mean()
        for rotations in (*others, inverse)
    ]
    assert true >= 0.23
    assert max(wrong) <= 0.06
