import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_emgauss.registration import align_stacks, align_volume
from napari_emgauss.registration.stacks import stack_motion
from napari_emgauss.slices.motion import apply


def rigid(vector, shift):
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = Rotation.from_rotvec(np.deg2rad(vector)).as_matrix(), shift
    return matrix


@pytest.mark.parametrize(("turn", "shift"), [([0, 0, 0], [0, 0, 0]), ([8, -6, 4], [9, -7, 12])])
def test_a_stack_that_was_moved_is_brought_back(acquired, turn, shift):
    away = rigid(turn, shift)
    stacks = [acquired.stacks[0], acquired.stacks[1].moved(away), acquired.stacks[2]]
    matrices = align_stacks(stacks)
    assert np.allclose(matrices[0], np.eye(4))
    back = matrices[1] @ away
    points = acquired.stacks[1].mask_points()
    # The slices moved by 3 degrees and 1.5 mm themselves.
    assert np.sqrt(((points @ back[:3, :3].T + back[:3, 3] - points) ** 2).sum(1).mean()) < 2.0


def test_all_slices_move_with_their_stack(acquired):
    stack, matrix = acquired.stacks[0], rigid([5, 10, 0], [1, 2, 3])
    points = np.random.default_rng(0).normal(0, 20, (stack.n_slices, 4, 3))
    moved = apply(stack_motion(stack, matrix), stack.pivots, points)
    assert np.allclose(moved, points @ matrix[:3, :3].T + matrix[:3, 3])


def test_a_volume_that_was_moved_is_found(acquired):
    away = rigid([4, -3, 2], [2, 1, -3])
    moved = type(acquired.truth)(acquired.truth.values * 2.5, away @ acquired.truth.affine)
    assert np.allclose(align_volume(moved, acquired.truth, acquired.mask), away, atol=5e-3)
