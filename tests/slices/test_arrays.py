import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_emgauss.errors import VolumeError
from napari_emgauss.slices import SliceStack
from napari_emgauss.slices.arrays import along_world, is_thick, mask_on, slice_axis_of, stack_of_array

AFFINE = np.diag([1.0, 1.2, 4.0, 1.0])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_voxel_stays_where_it_is_whatever_the_order_of_the_axes(order):
    values = np.arange(5 * 6 * 7, dtype=np.float32).reshape(5, 6, 7)
    affine = AFFINE.copy()
    affine[:3, :3] = Rotation.from_rotvec([0.3, 0.2, -0.4]).as_matrix() @ AFFINE[:3, :3]
    place = affine[:3, :3] @ (2, 3, 4)
    stack = stack_of_array(values.transpose(order), affine[:, [*order, 3]], axes=order, thickness_mm=1)
    at = tuple(np.rint(stack.indices(place)).astype(int))
    assert stack.images[at] == values[2, 3, 4]


def test_slices_lie_along_the_coarse_axis_unless_one_is_named():
    assert slice_axis_of((5, 6, 7), np.array([1, 3, 1])) == 1
    assert slice_axis_of((5, 6, 7), np.array([1, 3, 1]), wanted=0) == 0
    assert slice_axis_of((5, 6, 7), np.ones(3), named=1) == 1
    assert slice_axis_of((5, 1, 7), np.ones(3)) == 1
    assert slice_axis_of((5, 6, 7), np.ones(3)) == 2


def test_a_grid_is_thick_where_one_axis_is_clearly_coarser():
    assert is_thick(AFFINE)
    assert not is_thick(np.diag([1.0, 1.1, 1.0, 1.0]))


def test_the_axes_of_an_array_are_told_that_lie_along_the_world_even_where_it_is_oblique():
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_rotvec([0.2, -0.3, 0.1]).as_matrix() @ np.diag([4.0, -1.0, 1.0])
    assert along_world(turned) == (2, 1, 0)
    assert along_world(turned[:, [1, 2, 0, 3]]) == (1, 0, 2)


def test_a_mask_of_two_axes_more_or_less_is_no_stack():
    with pytest.raises(VolumeError, match="three axes, got 2"):
        stack_of_array(np.zeros((4, 4)), AFFINE, axes=(0, 1, 2), thickness_mm=1)


def test_a_mask_on_a_finer_grid_covers_the_pixels_that_it_covers_in_space():
    stack = SliceStack(np.zeros((4, 8, 8), np.float32), np.diag([4.0, 2.0, 2.0, 1.0]), 4.0)
    fine = np.zeros((16, 16, 16), np.uint8)
    fine[:, 4:9, :] = 3
    inside = mask_on(stack, fine, np.eye(4), "m")
    assert inside.shape == (4, 8, 8)
    assert inside[:, 2:5].all()
    assert inside.sum() == inside[:, 2:5].size


def test_masks_that_lie_elsewhere_or_are_not_finite_are_refused():
    stack = SliceStack(np.zeros((4, 8, 8), np.float32), np.eye(4), 1.0)
    away = np.eye(4)
    away[:3, 3] = 100
    with pytest.raises(VolumeError, match="m marks nothing in stack"):
        mask_on(stack, np.ones((4, 4, 4)), away, "m")
    with pytest.raises(VolumeError, match="NaN"):
        mask_on(stack, np.full((4, 4, 4), np.nan), np.eye(4), "m")
