import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_emgauss.forward.backprojection.sums import centred_spectrum, kept_frequencies
from napari_emgauss.forward.central_slices import CentralSlices
from napari_emgauss.phantoms import phantom_molecule

BOX, PIXEL = 32, 5.0
MOLECULE = phantom_molecule(300, radius_angstrom=45, width_angstrom=6.0)
ROTATIONS = Rotation.random(4, rng=0).as_matrix()
KEPT, XY = kept_frequencies(BOX)


def spectra(rotations):
    return centred_spectrum(MOLECULE.project(rotations, BOX, PIXEL))[:, KEPT]


@pytest.fixture(scope="module")
def slices():
    return CentralSlices(MOLECULE.map(BOX, PIXEL))


def test_they_are_the_spectra_of_projections(slices):
    expected = spectra(ROTATIONS)
    assert np.abs(slices.spectra(XY, ROTATIONS)[0] - expected).max() < 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_their_derivatives_are_what_a_small_turn_changes(slices, axis):
    turn = Rotation.from_rotvec(0.01 * np.eye(3)[axis])
    difference = spectra(turn.as_matrix() @ ROTATIONS) - spectra(turn.inv().as_matrix() @ ROTATIONS)
    found = slices.spectra(XY, ROTATIONS)[1][..., axis]
    assert np.abs(found - difference / 0.02).max() < 2e-3 * np.abs(found).max()
