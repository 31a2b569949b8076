import numpy as np
import pytest

from napari_emgauss.methods.gem.symmetry import symmetry_operators


@pytest.mark.parametrize(("name", "order"), [("C1", 1), ("C5", 5), ("D1", 2), ("d3", 6), ("D7", 14)])
def test_operators_are_a_group_of_rotations_that_begins_with_the_identity(name, order):
    operators = symmetry_operators(name)
    assert operators.shape == (order, 3, 3)
    assert np.allclose(operators[0], np.eye(3))
    assert np.allclose(np.linalg.det(operators), 1)
    for product in (a @ b for a in operators for b in operators):
        assert np.abs(operators - product).max((1, 2)).min() < 1e-9
