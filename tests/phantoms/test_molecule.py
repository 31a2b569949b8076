import numpy as np
import pytest

from napari_emgauss.phantoms import phantom_molecule


def test_a_molecule_fills_its_radius_about_its_centre_of_mass():
    molecule = phantom_molecule(300, radius_angstrom=50)
    assert np.linalg.norm(molecule.positions_angstrom, axis=1).max() == pytest.approx(50)
    assert np.abs(molecule.positions_angstrom.mean(0)).max() < 1e-9


def test_the_map_holds_all_its_weight_at_its_centre():
    molecule = phantom_molecule(300, radius_angstrom=40)
    density = molecule.map(32, 4.0)
    assert density.sum() == pytest.approx(molecule.weights.sum(), rel=1e-3)
    axis = np.arange(32) - 16
    assert abs((density.sum((0, 1)) * axis).sum() / density.sum()) < 0.01


def test_the_same_seed_gives_the_same_molecule_and_another_another():
    same = [phantom_molecule(50, seed=seed).positions_angstrom for seed in (0, 0, 1)]
    assert np.array_equal(same[0], same[1])
    assert not np.allclose(same[0], same[2])
