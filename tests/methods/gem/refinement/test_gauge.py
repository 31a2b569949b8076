import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_emgauss.methods.gem.refinement.gauge import without_drift

RNG = np.random.default_rng(0)
ROTATIONS = Rotation.random(50, rng=0).as_matrix()


def test_a_map_that_turns_and_moves_with_all_views_changes_none_of_them():
    turn, place = Rotation.from_rotvec([0.02, -0.03, 0.01]).as_matrix(), np.array([0.5, -1.0, 0.3])
    changes = np.zeros((50, 6))
    changes[:, :3] = Rotation.from_matrix(ROTATIONS @ turn @ ROTATIONS.transpose(0, 2, 1)).as_rotvec()
    changes[:, 3:5] = (ROTATIONS @ place)[:, :2]
    assert np.abs(without_drift(changes, ROTATIONS)).max() < 1e-9


def test_changes_without_anything_in_common_stay():
    changes = 0.01 * RNG.standard_normal((50, 6))
    once = without_drift(changes, ROTATIONS)
    assert without_drift(once, ROTATIONS) == pytest.approx(once, abs=1e-5)
    assert np.abs(once - changes).max() < 0.01
    assert np.array_equal(once[:, 5], changes[:, 5])
